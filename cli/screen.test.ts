// What a person sees in a real terminal: questions, progress, colour.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawn } from 'node-pty';
import { expect, test } from 'vitest';
import { person, serve, type Reply } from './bench.testing.ts';

const main = fileURLToPath(new URL('./main.ts', import.meta.url));

/** `patchbay` in a terminal of 100 columns; what is typed goes in when its cue has appeared. */
async function inTerminal(args: string[], env: Record<string, string>, ...typed: [cue: string, keys: string][]) {
  const path = { PATH: process.env['PATH'] ?? '', TERM: 'xterm-256color' };
  const pty = spawn(process.execPath, [main, ...args], { cols: 100, rows: 30, env: { ...path, ...env } });
  let screen = '';
  pty.onData((data) => {
    // Back to the line's begin, and what was there away: `<`, so that a pattern can show it.
    screen += data.replaceAll('\r\u001b[K', '<');
    const [next] = typed;
    if (!next || !screen.includes(next[0])) return;
    typed.shift();
    pty.write(next[1]);
  });
  const code = await new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)));
  return { code, screen };
}

test('a password is asked for and never shown, corrections included', async () => {
  await using server = await serve({ 'POST /api/management/v1/useradm/auth/login': { text: 'a.b.c' } });
  await using ada = await person();
  const { code, screen } = await inTerminal(
    ['login', server.url],
    { XDG_CONFIG_HOME: ada.configFolder },
    ['User: ', 'adx\u007fa@example.com\r'],
    ['Password: ', 'wrong\u0015geheim\u007f\u007fm\u00fc\r'],
  );
  expect(screen).toBe(`User: adx\b \ba@example.com\r\nPassword: \r\nlogged in to ${server.url} as ada@example.com\r\n`);
  expect(code).toBe(0);
  const credentials = server.asked[0]!.headers.authorization!.replace('Basic ', '');
  expect(Buffer.from(credentials, 'base64').toString()).toBe('ada@example.com:gehemü');
});

test('answers that were pasted together are taken one after the other', async () => {
  await using server = await serve({ 'POST /api/management/v1/useradm/auth/login': { text: 'a.b.c' } });
  await using ada = await person();
  const env = { XDG_CONFIG_HOME: ada.configFolder };
  const { code, screen } = await inTerminal(['login', server.url], env, ['User: ', 'ada\rgeheim\r']);
  expect({ code, shown: screen.includes('geheim') }).toEqual({ code: 0, shown: false });
  const credentials = server.asked[0]!.headers.authorization!.replace('Basic ', '');
  expect(Buffer.from(credentials, 'base64').toString()).toBe('ada:geheim');
});

test('Ctrl-C at a question ends the command, with no word and no login', async () => {
  await using ada = await person();
  const env = { XDG_CONFIG_HOME: ada.configFolder };
  const args = ['login', 'http://127.0.0.1:1', '--user', 'ada'];
  const { code, screen } = await inTerminal(args, env, ['Password: ', 'abc\u0003']);
  expect({ code, screen }).toEqual({ code: 1, screen: 'Password: \r\n' });
});

test('what cannot be undone is asked about, and only yes is yes', async () => {
  const attributes = [{ scope: 'inventory', name: 'hostname', value: 'pump' }];
  await using server = await serve({
    'POST /api/management/v2/inventory/filters/search': { json: [{ id: 'a', updated_ts: '', attributes }] },
    'DELETE /api/management/v2/devauth/devices/a': { status: 204 },
  });
  const env = { PATCHBAY_SERVER: server.url, PATCHBAY_TOKEN: 't' };
  const args = ['devices', 'decommission', 'pump'];
  const no = await inTerminal(args, env, ['[y/N]: ', '\r']);
  expect({ code: no.code, deleted: server.asked.some(({ method }) => method === 'DELETE') }).toEqual({
    code: 1,
    deleted: false,
  });
  const yes = await inTerminal(args, env, ['[y/N]: ', 'y\r']);
  expect(yes.screen).toContain('pump (a) decommissioned');
});

test('an upload shows its progress, and takes it away at the end', async () => {
  await using server = await serve({
    'POST /api/management/v1/deployments/artifacts': { status: 201, headers: { location: '/x/a-1' } },
  });
  await using ada = await person();
  const file = join(ada.configFolder, 'big.mender');
  await writeFile(file, Buffer.alloc(5_000_000));
  const env = { PATCHBAY_SERVER: server.url, PATCHBAY_TOKEN: 't', NO_COLOR: '1' };
  const { screen } = await inTerminal(['releases', 'upload', file], env);
  expect(screen).toMatch(/<big\.mender {2}[█░]+ +\d+ % {2}[\d.]+ [kM]B of 5\.0 MB {2}[\d.]+ [kM]B\/s/);
  expect(screen).toMatch(/<big\.mender uploaded \(5\.0 MB in .* s, .*\/s\): artifact a-1\r\n$/);
});

test('a deployment shows how far it is, in one line', async () => {
  const path = '/api/management/v1/deployments/deployments';
  let looked = 0;
  const counters = [{ pending: 2 }, { success: 1, downloading: 1 }, { success: 2 }];
  await using server = await serve({
    [`POST ${path}`]: { status: 201, headers: { location: `${path}/d-1` } },
    [`GET ${path}/d-1`]: (): Reply => {
      const status = counters[looked++];
      const state = looked === counters.length ? 'finished' : 'inprogress';
      const names = { name: 'r', artifact_name: 'r', max_devices: 2, device_count: 2, created: '' };
      return { json: { id: 'd-1', ...names, status: state, statistics: { status, total_size: 1 } } };
    },
    [`GET ${path}/d-1/devices/list`]: { json: [] },
  });
  const env = { PATCHBAY_SERVER: server.url, PATCHBAY_TOKEN: 't', NO_COLOR: '1' };
  const { code, screen } = await inTerminal(['deploy', 'r', '--all'], env);
  expect(code).toBe(0);
  expect(screen).toMatch(/<r {2}█{15}░{15} {2}1\/2 {2}1 success, 1 downloading</);
  expect(screen).toMatch(/<r: 2 success\r\n$/);
});

test('colour is for screens, and not where NO_COLOR says no', async () => {
  await using server = await serve({
    'POST /api/management/v2/inventory/filters/search': { json: [{ id: 'a', updated_ts: '', attributes: [] }] },
  });
  const env = { PATCHBAY_SERVER: server.url, PATCHBAY_TOKEN: 't' };
  expect((await inTerminal(['devices'], env)).screen).toContain('\u001b[1m');
  expect((await inTerminal(['devices'], { ...env, NO_COLOR: '1' })).screen).not.toContain('\u001b');
});
