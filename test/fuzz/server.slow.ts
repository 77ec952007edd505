// Requests that nobody would send, at every route of a running server, and frames on its sockets: never a 500, never a
// stack, never slow, and not more memory than is stated here.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { encode, ProtoType } from '#proto';
import { Document, type Operation } from '../conformance/document.ts';
import { fitting } from '../conformance/values.ts';
import { Operator } from '../stage/operator.ts';
import { launcher, type Server, startServer } from '../stage/server.ts';
import { mutateBytes } from './mutate.ts';
import { Random } from './random.ts';
import { enrol } from './device.ts';

/** Slow is what holds up everybody else; the machine may be busy. */
const slowest = 10_000;
/** Growth of the server over the whole run, bytes. */
const growth = 250 * 1024 * 1024;
const seeds = 1500;
const randomMs = 15_000;

let folder: string;
let server: Server;
let document: Document;
let user: string | undefined;
let device: { id: string; token: string } | undefined;
let client: Agent;

const memory = async (): Promise<number> => {
  const status = await readFile(`/proc/${server.program.child.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-fuzz-'));
  server = await startServer(folder, launcher, ['--user-rate', '0', '--device-rate', '0']);
  client = new Agent({ connections: 4 });
  const answer = await (await fetch(`${server.url}/api/docs/openapi.json`)).json();
  document = new Document(answer as Record<string, unknown>, () => true);
  await refresh();
});
afterAll(async () => {
  await client?.close();
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Answers by their status, divided by a hundred. */
const answered = [0, 0, 0, 0, 0, 0];
let devices = 0;

/** What some requests end: the login, the device. Nonsense with neither gets no further than 401. */
async function refresh(): Promise<void> {
  const works = async (path: string, token: string | undefined): Promise<boolean> =>
    token !== undefined && (await fetch(server.url + path, { headers: { authorization: `Bearer ${token}` } })).ok;
  // While others may end it again.
  for (let left = 20; left > 0; left--) {
    try {
      if (!(await works('/api/management/v1/useradm/users/me', user)))
        user = (await Operator.login(server.url, server.user, server.password)).token;
      if (!(await works('/api/devices/v1/deviceconfig/configuration', device?.token)))
        device = await enrol(server.url, user ?? '', `fuzz-${++devices}`);
      return;
    } catch (error) {
      if (left === 1) throw error;
    }
  }
}

const nasty: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  -0,
  2 ** 53,
  1.5,
  '',
  ' ',
  '\u0000',
  '\ud800',
  '\u202e\u{1f600}',
  "' or 1=1 --",
  '"; drop table devices; --',
  '%00%0d%0a',
  '../../../etc/passwd',
  '${7*7}{{7*7}}',
  '<script>alert(1)</script>',
  '__proto__',
  'constructor',
  'x'.repeat(5000),
  '(a+)+$',
  '^(([a-z])+.)+[A-Z]([a-z])+$',
  '9'.repeat(400),
  '2026-13-45T99:99:99Z',
  'NaN',
  [],
  {},
  [[[[[[[[]]]]]]]],
  { __proto__: null, a: { b: { c: {} } } },
];

/** A value with something in it exchanged. */
function spoilt(random: Random, value: unknown, depth = 0): unknown {
  if (depth > 6 || random.chance(0.25)) return random.pick(nasty);
  if (Array.isArray(value)) {
    if (random.chance(0.1)) return Array.from({ length: random.below(3000) }, () => value[0] ?? random.pick(nasty));
    return value.map((each) => (random.chance(0.5) ? spoilt(random, each, depth + 1) : each));
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(() => random.chance(0.9));
    if (random.chance(0.2)) entries.push([text(random.pick(nasty)), random.pick(nasty)]);
    return Object.fromEntries(
      entries.map(([key, each]) => [key, random.chance(0.5) ? spoilt(random, each, depth + 1) : each]),
    );
  }
  return random.pick(nasty);
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** A body as bytes: mostly JSON of the right shape and wrong content, at times not even that. */
function bodyOf(random: Random, operation: Operation): Buffer {
  const fits = operation.body ? fitting(document, operation.body) : { a: 1 };
  const json = Buffer.from(JSON.stringify(random.chance(0.8) ? spoilt(random, fits) : fits));
  if (random.chance(0.15)) return mutateBytes(random, json);
  if (random.chance(0.05)) return Buffer.from(`${'['.repeat(50_000)}${']'.repeat(50_000)}`);
  if (random.chance(0.05)) return random.bytes(random.below(2000));
  return json;
}

function tokenOf(random: Random, right: string): string {
  if (random.chance(0.8)) return right;
  const parts = right.split('.');
  if (random.chance(0.5))
    return mutateBytes(random, Buffer.from(right))
      .toString('latin1')
      .replaceAll(/[^\x21-\x7e]/g, 'x');
  return random.pick([parts.slice(0, 2).join('.'), `${parts[0]}.${parts[1]}.`, 'a.b.c', '.', `${right}.${right}`]);
}

async function fuzz(seed: number): Promise<void> {
  if (seed % 50 === 0) await refresh();
  const random = new Random(seed);
  const operation = random.pick(document.operations);
  const path = operation.path.replaceAll(/\{\w+\}/g, () =>
    encodeURIComponent(random.chance(0.5) ? (device?.id ?? '') : text(random.pick(nasty)).toWellFormed()),
  );
  const query = new URLSearchParams();
  for (const { name, in: where } of operation.parameters)
    if (where === 'query' && random.chance(0.7)) query.append(name, text(random.pick(nasty)));
  if (random.chance(0.1)) query.append(text(random.pick(nasty)), text(random.pick(nasty)));
  const writes = operation.method !== 'GET' && operation.method !== 'HEAD';
  const own = operation.path.startsWith('/api/devices/');
  const type = random.pick([
    'application/json',
    'application/json',
    'application/json',
    'multipart/form-data; boundary=x',
    'text/plain',
    '',
  ]);
  const begun = performance.now();
  const { statusCode, body } = await request(`${server.url}${path}?${query.toString()}`, {
    dispatcher: client,
    method: operation.method as 'GET',
    headers: {
      authorization: `Bearer ${tokenOf(random, (own ? device?.token : user) ?? '')}`,
      ...(type && writes ? { 'content-type': type } : {}),
      ...(random.chance(0.1)
        ? { 'if-match': text(random.pick(nasty)).replaceAll(/[^\x20-\x7e]/g, '?'), range: 'bytes=9-1,-' }
        : {}),
    },
    ...(writes ? { body: bodyOf(random, operation) } : {}),
  });
  const answer = await body.text();
  const kind = Math.floor(statusCode / 100);
  answered[kind] = (answered[kind] ?? 0) + 1;
  const what = `seed ${seed}: ${operation.name}`;
  expect(statusCode, `${what} ${answer.slice(0, 300)}`).toBeLessThan(500);
  expect(answer, what).not.toMatch(/\n\s+at .*:\d+:\d+/);
  expect(performance.now() - begun, what).toBeLessThan(slowest);
}

/** Some at a time, as many clients would. What ends logins or the fuzzer's own device is left to itself. */
async function all(list: Iterable<number>): Promise<void> {
  const iterator = list[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let next = iterator.next(); !next.done; next = iterator.next()) await fuzz(next.value);
    }),
  );
}

function* until(end: number): Generator<number> {
  for (let seed = Date.now() % 2 ** 31; performance.now() < end; seed++) yield seed;
}

describe('a server under nonsense', () => {
  it(`${seeds} requests that are always the same, then others for ${randomMs / 1000} s`, async () => {
    const before = await memory();
    await all(Array.from({ length: seeds }, (_, i) => i + 1));
    await all(until(performance.now() + randomMs));
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect(server.program.lines.filter((line) => line.includes('"request failed"'))).toEqual([]);
    expect((await memory()) - before).toBeLessThan(growth);
    // Nonsense that never gets past the door would prove nothing.
    console.log(`answers: ${answered[2]} good, ${answered[4]} refused`);
    expect(answered[2]).toBeGreaterThan(seeds / 20);
  });

  it('bytes that are no HTTP, and heads that never end', async () => {
    const { port } = new URL(server.url);
    const good = Buffer.from(`GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${user}\r\n\r\n`);
    for (let seed = 1; seed <= 300; seed++) {
      const random = new Random(seed);
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => {});
      const closed = new Promise((resolve) => socket.once('close', resolve));
      const heard = new Promise((resolve) => socket.once('data', resolve));
      socket.end(random.chance(0.7) ? mutateBytes(random, good) : random.bytes(500));
      await Promise.race([closed, heard]);
      socket.destroy();
    }
    const long = connect(Number(port), '127.0.0.1');
    const answer = new Promise<string>((resolve) => long.once('data', (chunk) => resolve(String(chunk))));
    long.on('error', () => {});
    long.write(`GET /health HTTP/1.1\r\nHost: x\r\n${'X-A: b\r\n'.repeat(10_000)}`);
    expect(await answer).toMatch(/^HTTP\/1\.1 431 /);
    long.destroy();
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
  });

  it('frames on the sockets of a device and of a person', async () => {
    await refresh();
    const before = await memory();
    const frames = [
      encode({ hdr: { proto: ProtoType.Shell, typ: 'new', sid: 'x', props: { terminal_width: 80 } } }),
      encode({ hdr: { proto: ProtoType.Control, typ: 'open', props: {} }, body: Buffer.from('x') }),
      encode({ hdr: { proto: ProtoType.FileTransfer, typ: 'put_file', sid: 'x' }, body: new Uint8Array(3000) }),
      encode({ hdr: { proto: 0xffff, typ: 'ping', sid: '' } }),
    ];
    const wss = server.url.replace('http', 'ws');
    const open = async (path: string, token: string): Promise<WebSocket | undefined> => {
      const socket = new WebSocket(wss + path, { headers: { authorization: `Bearer ${token}` } });
      return await new Promise((resolve) => {
        socket.once('open', () => resolve(socket)).on('error', () => resolve(undefined));
      });
    };
    for (let seed = 1; seed <= 150; seed++) {
      const random = new Random(seed);
      const one = await open('/api/devices/v1/deviceconnect/connect', device?.token ?? '');
      const other = await open(`/api/management/v1/deviceconnect/devices/${device?.id}/connect`, user ?? '');
      for (const socket of [one, other]) {
        if (!socket) continue;
        for (let i = 0; i < 20; i++) {
          const frame = mutateBytes(random, Buffer.from(random.pick(frames)));
          if (socket.readyState === WebSocket.OPEN) socket.send(random.chance(0.1) ? 'text' : frame);
        }
      }
      for (const socket of [other, one]) {
        if (!socket) continue;
        const closed = new Promise((resolve) => socket.once('close', resolve));
        socket.close();
        if (socket.readyState !== WebSocket.CLOSED) await closed;
      }
    }
    expect((await fetch(`${server.url}/health`)).status).toBe(200);
    expect((await memory()) - before).toBeLessThan(growth);
  });
});
