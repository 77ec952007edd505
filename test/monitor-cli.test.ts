// `patchbay alerts …` and `patchbay checks …` of an operator at a real server.
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { person } from '../cli/bench.testing.ts';
import { run } from '../cli/program.ts';
import { admin, stage, type Stage } from '../server/stage.ts';
import { freePort } from './stage/nginx.ts';

const own = '/api/devices/v1/devicemonitor';

let server: Stage;
let token = '';
let someone: Awaited<ReturnType<typeof person>>;
let pump: { id: string; token: string };
let kiosk: { id: string; token: string };
beforeAll(async () => {
  // One port, so that it is found again after a restart.
  server = await stage({ port: await freePort() });
  token = await server.login();
  someone = await person();
  pump = await server.addDevice({ mac: 'pump-7' });
  kiosk = await server.addDevice({ mac: 'kiosk-1' });
  await server.call('PATCH', '/api/management/v1/patchbay/groups/kiosks/devices', { token, body: [kiosk.id] });
});
afterAll(async () => {
  await someone[Symbol.asyncDispose]();
  await server.close();
});

const patchbay = async (args: readonly string[], input = '') => {
  const { code, out, err } = await someone.call([...args], { server: server.url, token, input });
  // oxlint-disable-next-line no-control-regex
  return { code, out: out.replaceAll(/\u001b\[[0-9;]*m/g, ''), err };
};
const alerts = (...args: string[]) => patchbay(['alerts', ...args]);
const checks = (...args: string[]) => patchbay(['checks', ...args]);
const json = async (...args: string[]) => JSON.parse((await patchbay(['--json', ...args])).out) as unknown;

let clock = Date.parse('2026-11-28T10:00:00Z');
const alert = (id: string, check: string, name: string, level: string, details: object = {}) => ({
  id,
  check,
  name,
  level,
  timestamp: new Date((clock += 1000)).toISOString().replace('.000', ''),
  subject: { name: check, type: 'systemd', status: level === 'OK' ? 'running' : 'not-running', details },
});
const say = async (device: { token: string }, ...list: object[]) => {
  const { status, text } = await server.call('POST', `${own}/alert`, { token: device.token, body: list });
  expect([status, text]).toEqual([204, '']);
};

it('alerts are listed as people read them: what nobody has seen to, by device, level, check and group', async () => {
  expect(await alerts()).toEqual({ code: 0, out: '', err: 'no open alerts\n' });
  await say(
    pump,
    alert('a1111111-x', 'service_cron', 'Service cron not running', 'CRITICAL'),
    alert('b2222222-x', 'log_kernel', 'Log file contains \u001b[2Joops', 'WARNING', {
      description: 'one match',
      lines_before: [{ line_number: 41, data: 'before' }],
      line_matching: { line_number: 42, data: 'oops \u0000 \u001b]0;x\u0007 Grüße' },
      lines_after: [{ line_number: 43, data: 'after' }],
    }),
  );
  await say(kiosk, alert('c3333333-x', 'disk_root', 'Disk / is full', 'UNKNOWN'));
  const { code, out, err } = await alerts();
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out.split('\n')).toEqual([
    expect.stringMatching(/^ID +LEVEL +DEVICE +CHECK +ALERT +SINCE +STATE$/) as string,
    expect.stringMatching(
      /^c3333333 +Unknown +kiosk-1 +disk_root +Disk \/ is full +2026-11-28T10:00:03\.000Z +open$/,
    ) as string,
    expect.stringMatching(/^b2222222 +Warning +pump-7 +log_kernel +Log file contains �\[2Joops +2026/) as string,
    expect.stringMatching(/^a1111111 +Critical +pump-7 +service_cron +Service cron not running +2026/) as string,
    '',
  ]);
  expect((await alerts('list', '--device', 'pump', '--level', 'critical')).out).toMatch(/^ID.*\na1111111[^\n]*\n$/);
  expect((await alerts('--group', 'kiosks')).out).toMatch(/^ID.*\nc3333333[^\n]*\n$/);
  expect((await alerts('--check', 'log_*')).out).toMatch(/^ID.*\nb2222222[^\n]*\n$/);
  expect(await json('alerts', '--level', 'unknown')).toMatchObject([
    { device: 'kiosk-1', device_id: kiosk.id, check: 'disk_root', state: 'open' },
  ]);
});

it('one is shown with its log lines, and steers no terminal', async () => {
  const { out } = await alerts('show', 'b2');
  expect(out).toMatch(/^Alert: +Log file contains �\[2Joops\nLevel: +Warning\nDevice: +pump-7 \(/);
  expect(out).toContain('\none match\n\n      41  before\n>     42  oops � �]0;x� Grüße\n      43  after\n');
  expect(await json('alerts', 'show', 'pump-7/log_kernel')).toMatchObject({ id: 'b2222222-x', now: { state: 'open' } });
  expect(await alerts('show', 'zz')).toEqual({
    code: 1,
    out: '',
    err: 'error: there is no alert zz among what is not OK: patchbay alerts list --all\n',
  });
});

it('they are acknowledged with a note, and that is taken back', async () => {
  expect(await alerts('ack', 'a1', 'kiosk-1/disk_root', '--note', 'on my way')).toEqual({
    code: 0,
    out: '',
    err: 'pump-7: service_cron acknowledged\nkiosk-1: disk_root acknowledged\n',
  });
  expect(await alerts()).toMatchObject({
    out: expect.stringMatching(/^ID.*\nb2222222[^\n]*\n$/) as string,
    err: '2 acknowledged: --all shows these too\n',
  });
  expect((await alerts('--all')).out).toMatch(new RegExp(`a1111111 .* ${admin}: on my way\n`));
  expect((await alerts('unack', '--device', 'kiosk-1')).err).toBe('kiosk-1: disk_root unacknowledged\n');
  expect((await alerts('list', '--state', 'acknowledged')).out).toMatch(/^ID.*\na1111111[^\n]*\n$/);
  expect(await alerts('ack')).toMatchObject({ code: 2, err: 'error: name alerts, or give --device\n' });
});

it('a device, a group or a check is silenced for a time, and the silence is ended', async () => {
  const made = await alerts('silence', '--device', 'pump-7', '--check', 'log_*', '--for', '1h30m', '--reason', 'known');
  expect(made.err).toMatch(/^silenced until \d{4}-.*Z; end it with: patchbay alerts unsilence [0-9a-f]{8}\n$/);
  expect((await alerts()).err).toBe('1 acknowledged and 1 silenced: --all shows these too\n');
  expect((await alerts('silences')).out).toMatch(/pump-7, check log_\* .*in force +admin@example\.com +known\n/);
  expect((await alerts('unsilence', /[0-9a-f]{8}$/m.exec(made.err)![0])).err).toMatch(
    /^silence [0-9a-f]{8} is over\n$/,
  );
  expect(await alerts('silences')).toMatchObject({ out: '', err: 'no silences\n' });
  expect((await alerts('silences', '--all')).out).toContain('ended by admin@example.com');
  expect(await alerts('silence', '--for', '2h', '--reason', 'x')).toMatchObject({ code: 2 });
  const wrong = await alerts('silence', '--group', 'kiosks', '--for', 'soon', '--reason', 'x');
  expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('a time such as 90s, 15m, 2h') as string });
  expect(await alerts('silence', '--group', 'none', '--for', '2h', '--reason', 'x')).toMatchObject({
    code: 1,
    err: 'error: group not found\n',
  });
});

it('the history of a device is shown within a time', async () => {
  await say(pump, alert('d4444444-x', 'service_cron', 'Service cron not running', 'OK'));
  const { out } = await alerts('list', '--history', '--device', 'pump-7', '--since', '2026-11-28T09:00:00Z');
  expect(out).toMatch(/^ID.*\nd4444444 .* OK .*\nb2222222 .*\na1111111 .*\n$/);
  expect((await alerts('list', '--history', '--device', 'pump-7', '--until', '2026-11-27')).err).toBe('no alerts\n');
  expect((await alerts('list', '--history', '--device', 'pump-7', '--limit', '1')).out).toMatch(
    /^ID.*\nd4444444[^\n]*\n$/,
  );
  expect((await alerts('show', 'a111', '--device', 'pump-7')).out).toContain('State:   over\n');
  // Of all devices, by when it came.
  await say(kiosk, alert('e5050505-x', 'disk_data', 'Disk /data is 99 % full', 'WARNING'));
  await say(kiosk, alert('f6060606-x', 'disk_data', 'Disk /data is 99 % full', 'OK'));
  expect((await alerts('--history', '--limit', '3')).out).toMatch(
    /^ID +CAME +LEVEL +DEVICE .*\nf6060606 .* OK +kiosk-1 .*\ne5050505 .* Warning +kiosk-1 .*\nd4444444 .* OK +pump-7 .*\n$/,
  );
  expect((await alerts('--history', '--group', 'kiosks', '--level', 'warning')).out).toMatch(
    /^ID.*\ne5050505[^\n]*\n$/,
  );
  expect((await alerts('--history', '--until', '2026-01-01')).err).toBe('no alerts\n');
  expect(await json('alerts', 'list', '--history', '--check', 'disk_*', '--limit', '1')).toMatchObject([
    { id: 'f6060606-x', device: 'kiosk-1', received: expect.stringMatching(/Z$/) },
  ]);
  expect(await alerts('--history', '--all')).toMatchObject({
    code: 2,
    err: 'error: --history is of all that came: --state and --all say nothing of it\n',
  });
  expect(await alerts('--history', '--device', 'pump-7', '--group', 'kiosks')).toMatchObject({ code: 2 });
  expect(await alerts('--since', '2h')).toMatchObject({ code: 2 });
});

it('what happens is watched as it comes, also after the server was away, until Ctrl-C', async () => {
  const stop = new AbortController();
  const io = { in: new PassThrough(), out: new PassThrough(), err: new PassThrough(), colour: false };
  const told: Record<string, unknown>[] = [];
  let rest = '';
  let heard = (): void => undefined;
  io.out.on('data', (piece: Buffer) => {
    const lines = (rest + piece.toString()).split('\n');
    rest = lines.pop() ?? '';
    told.push(...lines.map((line) => JSON.parse(line) as Record<string, unknown>));
    heard();
  });
  io.err.resume();
  const until = async (event: string, name: string) => {
    while (!told.some((one) => one['event'] === event && one['name'] === name))
      await new Promise<void>((resolve) => (heard = resolve));
  };
  const env = { configFolder: someone.configFolder, inherited: {}, server: server.url, token };
  const done = run(['--json', 'alerts', 'watch', '--device', 'kiosk-1'], io, env, stop.signal);
  await until('alert', 'Disk / is full');
  await say(pump, alert('e5555555-x', 'service_x', 'Service x not running', 'CRITICAL'));
  await say(kiosk, alert('f6666666-x', 'service_ui', 'Service ui not running', 'CRITICAL'));
  await until('alert', 'Service ui not running');
  await alerts('ack', 'f666');
  await until('acknowledged', 'Service ui not running');
  await server.restart();
  await say(
    kiosk,
    alert('g7777777-x', 'service_ui', 'Service ui not running', 'OK'),
    alert('h8888888-x', 'service_db', 'Service db not running', 'CRITICAL'),
  );
  await until('over', 'Service ui not running');
  await until('alert', 'Service db not running');
  stop.abort();
  expect(await done).toBe(0);
  expect(told.every(({ device }) => device === 'kiosk-1')).toBe(true);
  expect(told.filter(({ event }) => event === 'alert').map(({ name }) => name)).toEqual([
    'Disk / is full',
    'Service ui not running',
    'Service db not running',
  ]);
}, 60_000);

it('a login that is not taken any more ends the watch, with what to do', async () => {
  const { code, err } = await someone.call(['alerts', 'watch'], { server: server.url, token: 'gone' });
  expect({ code, err }).toMatchObject({
    code: 1,
    err: expect.stringMatching(/error: .*run 'patchbay login/) as string,
  });
}, 60_000);

it('checks are given by options or a file, where they hold nearest wins, and each change is taken back', async () => {
  expect(await checks('add', 'disk', 'root', '--path', '/', '--percent', '80', '--group', 'kiosks')).toEqual({
    code: 0,
    out: '',
    err: '--group kiosks: 1 check, version 1\n',
  });
  await checks('add', 'service', 'cron', '--fleet');
  const file = JSON.stringify([{ type: 'log', name: 'oom', journal: '*', pattern: 'Out of memory', level: 'WARNING' }]);
  expect((await patchbay(['checks', 'add', '--file', '-', '--device', 'kiosk-1'], file)).err).toBe(
    'kiosk-1: 1 check, version 1\n',
  );
  await checks('except', 'service_cron', '--device', 'kiosk-1');
  await server.call('GET', `${own}/checks`, { token: kiosk.token });
  await server.call('POST', `${own}/config`, {
    token: kiosk.token,
    body: [
      { name: 'root', type: 'disk', status: 'enabled', origin: 'server' },
      { name: 'oom', type: 'log', status: 'disabled', origin: 'server', refused: 'no\u001b journal' },
      { name: 'sshd.sh', type: 'service', status: 'enabled', origin: 'local' },
    ],
  });
  const listed = await checks('list', 'kiosk-1');
  expect(listed.out).toMatch(/^CHECK +WHAT +FROM +ON THE DEVICE\n/);
  expect(listed.out).toMatch(/\ndisk_root +path=\/ percent=80 +group kiosks +applied\n/);
  expect(listed.out).toMatch(/\nlog_oom +journal=\* .* +device +refused: no� journal\n/);
  expect(listed.out).toMatch(/\nservice_sshd +service +local +enabled\n/);
  expect(listed.out).not.toContain('service_cron');
  expect(listed.err).toMatch(/^kiosk-1: version .*, it has the newest \(asked .*\), reported /);
  await checks('except', 'service_cron', '--undo', '--device', 'kiosk-1');
  expect((await checks('list', 'kiosk-1')).out).toMatch(/\nservice_cron +fleet +not reported yet\n/);

  const saved = join(someone.configFolder, 'kiosks.json');
  await writeFile(saved, (await patchbay(['--json', 'checks', 'get', '--group', 'kiosks'])).out);
  expect((await checks('remove', 'disk_root', '--group', 'kiosks')).err).toBe('--group kiosks: 0 checks, version 2\n');
  expect((await checks('set', '--group', 'kiosks', '--file', saved, '--priority', '3')).code).toBe(0);
  expect((await checks('get', '--group', 'kiosks')).out).toBe('CHECK      WHAT\ndisk_root  path=/ percent=80\n');
  expect((await checks('history', '--group', 'kiosks')).out.replaceAll(/\d{4}-\S+Z/g, 'TIME')).toBe(
    '3  TIME  admin@example.com\n   + disk_root\n2  TIME  admin@example.com\n   - disk_root\n1  TIME  admin@example.com\n   + disk_root\n',
  );
  expect((await checks('revert', '--group', 'kiosks')).err).toBe('--group kiosks: 0 checks, version 4\n');
  expect((await checks('revert', '1', '--group', 'kiosks')).err).toBe('--group kiosks: 1 check, version 5\n');
});

it('whoever may only read is told what he lacks, and sees what is wrong', async () => {
  const reader = await server.addUser('reader@example.com', ['read-only']);
  const as = (...args: string[]) => someone.call(args, { server: server.url, token: reader });
  expect((await as('alerts', '--group', 'kiosks')).out).toContain('Service db not running');
  for (const [args, right] of [
    [['alerts', 'ack', '--device', 'kiosk-1'], 'addon:monitor:respond'],
    [['alerts', 'silence', '--group', 'kiosks', '--for', '1h', '--reason', 'x'], 'addon:monitor:respond'],
    [['checks', 'add', 'disk', 'root', '--fleet'], 'devices:configure'],
    [['alerts', 'routes'], 'settings:manage'],
    [['alerts', 'settings', '--email', 'off'], 'settings:manage'],
  ] as const) {
    const { code, err } = await as(...args);
    expect({ args, code, err }).toEqual({
      args,
      code: 1,
      err: expect.stringMatching(new RegExp(`^error: .*${right}.*\n$`)) as string,
    });
  }
});

it('checks that no device could make are refused in one line', async () => {
  for (const [args, code, words] of [
    [['add', 'disc', 'root', '--fleet'], 2, 'there are no checks of the type disc: service, log, '],
    [['add', 'disk', 'root', '--pattern', 'x', '--fleet'], 2, 'takes no --pattern: it takes [--path]'],
    [['add', 'disk', 'root', '--percent', 'much', '--fleet'], 2, '--percent: much is no number'],
    [['add', 'disk', 'root', '--percent', '101', '--fleet'], 2, 'disk_root: percent must be <= 100'],
    [['add', 'network', 'gw', '--host', 'x', '--fleet'], 2, 'wants --port'],
    [['add', 'log', 'x', '--pattern', '(', '--journal', '*', '--fleet'], 1, 'pattern "(" is no regular expression'],
    [['add', 'disk', 'root'], 2, 'where? Give one of --device, --group and --fleet'],
    [['remove', 'disk_data', '--fleet'], 1, '--fleet: disk_data is not given there'],
    [['get', '--group', 'none'], 1, 'no group none'],
    [['set', '--fleet', '--file', '/none.json'], 1, 'cannot read /none.json'],
  ] as const) {
    const { code: was, out, err } = await checks(...args);
    expect({ args, was, out, err }).toEqual({
      args,
      was: code,
      out: '',
      err: expect.stringContaining(words) as string,
    });
    expect(err).toMatch(/^error: [^\n]*\n$/);
  }
  const bad = await patchbay(
    ['checks', 'set', '--fleet', '--file', '-'],
    '[{"type":"disk","name":"root","percent":"x"}]',
  );
  expect(bad).toMatchObject({ code: 1, err: 'error: standard input: disk_root: percent must be number\n' });
});

it('routes are made, changed, tried and removed, and settings are set', async () => {
  expect((await alerts('routes')).err).toBe("no routes yet: 'patchbay alerts routes add' makes one\n");
  expect(
    (await alerts('routes', 'add', 'ops', '--email', 'ops@example.com', '--level', 'critical', '--group', 'kiosks'))
      .err,
  ).toBe('made route ops; try it with: patchbay alerts routes test ops\n');
  expect((await alerts('routes')).out).toMatch(
    /\nops +email +ops@example\.com +kiosks +Critical, Critical, flapping +all +on +/,
  );
  expect((await alerts('routes', 'edit', 'ops', '--level', '', '--no-recoveries', '--disable')).err).toBe(
    'changed route ops\n',
  );
  expect((await alerts('routes')).out).toMatch(/\nops +email +ops@example\.com +kiosks +all +all +off, no recoveries /);
  expect(await alerts('routes', 'test', 'ops')).toMatchObject({
    code: 1,
    err: expect.stringMatching(/^error: ops: .*--smtp-url/) as string,
  });
  expect(await alerts('routes', 'edit', 'ops', '--slack', 'https://x.example')).toMatchObject({ code: 2 });
  expect(await alerts('routes', 'add', 'x')).toMatchObject({ code: 2 });
  expect((await alerts('routes', 'remove', 'ops')).err).toBe('removed route ops\n');
  expect((await alerts('routes', 'log')).code).toBe(0);
  expect((await alerts('settings', '--offline-after', '10m', '--email', 'off', '--keep', '60')).out).toMatch(
    /e-mails to users +off .*\noffline after +10 min\n.*\n.* 5 s\nalerts are kept for +60 d\n$/,
  );
  expect(await json('alerts', 'settings')).toMatchObject({ offline_seconds: 600, email: false, history_days: 60 });
  expect(await alerts('settings', '--offline-after', 'soon')).toMatchObject({ code: 2 });
});

it('help shows examples, and the shell completes all of it', async () => {
  expect((await alerts('--help')).out).toContain('patchbay alerts watch --json');
  expect((await checks('add', '--help')).out).toMatch(/--percent <n> +disk, memory: used, from which on it is bad/);
  const { out } = await patchbay(['completion', 'bash']);
  const completed = async (...words: string[]) => {
    const quoted = words.map((word) => `'${word}'`).join(' ');
    const ask = `COMP_WORDS=(patchbay ${quoted}); COMP_CWORD=${words.length}; _patchbay; echo "\${COMPREPLY[@]}"`;
    return (await promisify(execFile)('bash', ['--norc', '-c', `${out}\n${ask}`])).stdout.trim();
  };
  expect(await completed('alerts', 'uns')).toBe('unsilence');
  expect(await completed('alerts', 'routes', 'ed')).toBe('edit');
  expect(await completed('checks', 'add', '--perc')).toBe('--percent');
});
