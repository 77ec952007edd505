import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTls } from 'node:https';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { parser } from '#proto/validate';
import { Check } from '../check.ts';
import { certificate, httpAnswer, network } from './remote-looks.ts';
import { script } from './scripts.ts';
import { disk, load, memory, processes, temperature } from './system-looks.ts';
import type { Watched } from './watched.ts';

let folder: string;
const kernel = { proc: '/proc', sys: '/sys' };
const never = new AbortController().signal;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-looks-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const of = <T extends Check['type']>(type: T, more: object = {}) =>
  parser(Check)({ type, name: 'x', ...more }) as Extract<Check, { type: T }>;
function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'latin1'));
  } catch {
    return false;
  }
}
async function look(watched: Watched): Promise<string> {
  const { level, status, description } = await watched.look!(never);
  return `${level} ${status}: ${description}`;
}

it('disk: how full a file system is', async () => {
  expect(await look(disk(of('disk', { path: '/', percent: 100 })))).toMatch(
    /^OK ok: Disk \/ is at [\d.]+% of its capacity, \d+ MiB free; the limit is 100%$/,
  );
  expect(await look(disk(of('disk', { path: '/', percent: 0, level: 'WARNING' })))).toMatch(
    /^WARNING DISKUSAGE_USAGE_WARNING/,
  );
  expect(() => disk(of('disk', { path: '/no/such' })).look!(never)).toThrow(/ENOENT/);
});

it('memory and load', async () => {
  expect(await look(memory(of('memory', { percent: 100 }), kernel))).toMatch(/^OK/);
  expect(await look(memory(of('memory', { percent: 0 }), kernel))).toMatch(
    /^CRITICAL MEMORY_USAGE_WARNING: [\d.]+% of \d+ MiB/,
  );
  expect(await look(load(of('load', { load: 10_000 })))).toMatch(/^OK/);
});

it('temperature: of one sensor or the hottest; one that says nothing is left out; none is unknown', async () => {
  const thermal = join(folder, 'sys', 'class', 'thermal');
  for (const [zone, type, temp] of [
    ['0', 'board', '41000'],
    ['1', 'cpu', '83500'],
    ['2', 'broken', 'x'],
  ] as const) {
    await mkdir(join(thermal, `thermal_zone${zone}`), { recursive: true });
    await writeFile(join(thermal, `thermal_zone${zone}`, 'type'), `${type}\n`);
    await writeFile(join(thermal, `thermal_zone${zone}`, 'temp'), `${temp}\n`);
  }
  const own = { proc: '/proc', sys: join(folder, 'sys') };
  expect(await look(temperature(of('temperature'), own))).toBe(
    'CRITICAL TEMPERATURE_WARNING: cpu is at 83.5 °C; the limit is 80 °C',
  );
  expect(await look(temperature(of('temperature', { sensor: 'board' }), own))).toMatch(/^OK/);
  expect(await look(temperature(of('temperature', { sensor: 'gpu' }), own))).toMatch(/^UNKNOWN.*no sensor gpu/);
});

it('process: by name, by command line, and how many', async () => {
  const child = spawn('sleep', ['1000.125']);
  await once(child, 'spawn');
  const pattern = 'sleep 1000\\.125$';
  try {
    expect(await look(processes(of('process', { process: 'sleep', pattern }), kernel))).toMatch(
      /^OK running: 1 of sleep/,
    );
    expect(await look(processes(of('process', { pattern, min: 2, max: 3 }), kernel))).toMatch(
      /^CRITICAL count: 1 of .*; wanted: 2 to 3$/,
    );
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  expect(await look(processes(of('process', { pattern }), kernel))).toMatch(/^CRITICAL not-running/);
});

it('network and http: reached or not, status and text', async () => {
  const server = createServer((request, response) => {
    if (request.url === '/hangs') return;
    response.statusCode = request.url === '/gone' ? 410 : 200;
    response.end('all is well'.repeat(50_000));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://user:secret@127.0.0.1:${port}/`;
  expect(await look(network(of('network', { host: '127.0.0.1', port })))).toMatch(/^OK reachable/);
  expect(await look(httpAnswer(of('http', { url, contains: 'well' })))).toMatch(/^OK 200/);
  expect(await look(httpAnswer(of('http', { url, contains: 'ill' })))).toBe(
    "CRITICAL 200: its answer does not contain 'ill'",
  );
  expect(await look(httpAnswer(of('http', { url: `${url}gone` })))).toBe(
    'CRITICAL 410: answered 410, wanted was less than 400',
  );
  expect(await look(httpAnswer(of('http', { url: `${url}gone`, status: 410 })))).toMatch(/^OK/);
  expect(await look(httpAnswer(of('http', { url: `${url}hangs`, timeout: 1 })))).toBe(
    'CRITICAL unreachable: no answer within 1 s',
  );
  expect(httpAnswer(of('http', { url })).title).not.toContain('secret');
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  expect(await look(network(of('network', { host: '127.0.0.1', port })))).toMatch(
    /^CRITICAL unreachable: connect ECONNREFUSED/,
  );
});

it('certificate: of a server and in a file, before and after its end', async () => {
  const make = (name: string, days: number): string => {
    const file = join(folder, `${name}.pem`);
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        `${file}.key`,
        '-out',
        file,
        '-subj',
        '/CN=x',
        '-days',
        String(days),
      ],
      { stdio: 'ignore' },
    );
    return file;
  };
  const file = make('long', 100);
  expect(await look(certificate(of('certificate', { file })))).toMatch(/^OK valid: it is good for (99|100) more days/);
  expect(await look(certificate(of('certificate', { file, days: 200 })))).toMatch(/^CRITICAL expires/);
  expect(await look(certificate(of('certificate', { file: join(folder, 'none.pem') })))).toMatch(/^UNKNOWN/);
  const server = createTls({ cert: readFileSync(file), key: readFileSync(`${file}.key`) });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await look(certificate(of('certificate', { host: '127.0.0.1', port })))).toMatch(/^OK valid/);
  server.close();
  await once(server, 'close');
});

it('script: exit codes, what it prints, one that hangs and one that prints megabytes', async () => {
  const write = async (name: string, text: string): Promise<void> => {
    await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(folder, name), 0o755);
  };
  await write('code', 'echo "was $1 and $HOME-$PATCHBAY_TEST"; exit "$1"');
  await write('hangs', 'sleep 1000 & echo $! >"$0.pid"; wait');
  await write('floods', 'head -c 20000000 /dev/zero | tr "\\0" x; exit 3');
  const run = (name: string, more: object = {}) => look(script(of('script', { script: name, ...more }), folder));
  process.env['PATCHBAY_TEST'] = 'secret';
  expect(await run('code', { arguments: ['0'] })).toBe('OK 0: was 0 and /root-');
  expect(await run('code', { arguments: ['1'] })).toMatch(/^WARNING 1/);
  expect(await run('code', { arguments: ['7'] })).toMatch(/^CRITICAL 7: was 7/);
  delete process.env['PATCHBAY_TEST'];
  const flood = await run('floods');
  expect([flood.slice(0, 20), flood.length < 2000]).toEqual(['CRITICAL 3: xxxxxxxx', true]);
  expect(await run('hangs', { timeout: 1 })).toBe(
    'CRITICAL timeout: it did not end within 1 s and was killed; it printed nothing',
  );
  const left = Number(readFileSync(join(folder, 'hangs.pid'), 'utf8'));
  // Killed with it; whoever adopts it may not have read its end yet.
  await vi.waitFor(() => expect(alive(left)).toBe(false), 10_000);
  await write('locked', 'exit 0');
  await chmod(join(folder, 'locked'), 0o644);
  expect(await run('locked')).toMatch(/^UNKNOWN.*no script .*locked that can be run/);
});
