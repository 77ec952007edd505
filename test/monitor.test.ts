// A device with its Connect daemon, a server, a mail server and a webhook: what breaks on the one is told by the others.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Kept, Standing } from '../addons/monitor/answers.ts';
import { Mailbox } from './stage/mailbox.ts';
import { Rig } from './stage/rig.ts';

const base = '/api/management/v1/patchbay/monitor';
const logs = ['a', 'b', 'c', 'd'];

let rig: Rig;
let mailbox: Mailbox;
let hook: Server;
const hooked: { level: string; name: string }[] = [];
let device = '';
let folder = '';
let worker: ChildProcess | undefined;
const marker = `patchbay-worker-${process.pid}`;

/** What the device is to watch: a process that is there or not. */
function work(): void {
  worker = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e9)', marker], { stdio: 'ignore' });
}
async function stopWork(): Promise<void> {
  const ended = worker && once(worker, 'exit');
  worker?.kill();
  await ended;
  worker = undefined;
}

async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  const answer = await fetch(rig.server.url + path, {
    method,
    headers: { authorization: `Bearer ${rig.operator.token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? undefined : await answer.json();
}
const bad = async () => (await ask('GET', `${base}/alerts?device=${device}`)) as Standing[];
const history = async () =>
  (await ask(
    'GET',
    `/api/management/v1/devicemonitor/devices/${device}/alerts?sort_ascending=true&per_page=500`,
  )) as Kept[];
const until = (what: () => boolean | Promise<boolean>) =>
  expect.poll(what, { timeout: 50_000, interval: 100 }).toBe(true);

beforeAll(async () => {
  mailbox = await Mailbox.open();
  hook = createServer((req, res) => {
    void text(req).then((body) => {
      hooked.push((JSON.parse(body) as { data: { level: string; name: string } }).data);
      res.end();
    });
  });
  await new Promise<void>((resolve) => hook.listen(0, '127.0.0.1', resolve));
  const mail = ['--smtp-url', mailbox.url, '--mail-from', 'Patchbay <alerts@patchbay.example>'];
  rig = await Rig.start('monitor', { server: () => [...mail, '--webhook-networks', '127.0.0.1'] });
  folder = rig.folder;
  await ask('PATCH', `${base}/settings`, { group_seconds: 0 });
  const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  await ask('POST', `${base}/channels`, { name: 'hook', kind: 'webhook', url });
  const library = join(folder, 'library');
  await mkdir(join(library, 'config'), { recursive: true });
  await mkdir(join(folder, 'log'));
  for (const name of logs) await writeFile(join(folder, 'log', name), '');
  await writeFile(
    join(library, 'config', 'config.sh'),
    // Few lines, so that the device's file of alerts still has all that it made when it is looked at.
    'DEFAULT_ALERT_STORE_RESEND_INTERVAL_S=1\nSEND_ALERT_MAX_INTERVAL_S=2\nDEFAULT_LOG_LINES_BEFORE=0\nDEFAULT_LOG_LINES_AFTER=0\n',
  );
  work();
  await ask('PUT', `${base}/checks/fleet`, {
    checks: [
      { type: 'process', name: 'worker', pattern: marker, every: 5 },
      ...logs.map((name) => ({ type: 'log', name, file: join(folder, 'log', name), pattern: 'broken', expires: 1 })),
    ],
  });
  const settings = {
    Monitor: {
      ServerLogFolders: [join(folder, 'log')],
      ConfigFolder: join(folder, 'etc'),
      LibraryFolder: library,
      StateFolder: join(folder, 'state'),
    },
  };
  device = (await rig.device('patchbay', { settings })).id;
}, 120_000);
afterAll(async () => {
  await stopWork();
  await rig[Symbol.asyncDispose]();
  await mailbox[Symbol.asyncDispose]();
  hook.close();
});

it('the device takes the checks of the server, and says that it makes them', async () => {
  interface Whole {
    readonly version: string;
    readonly given_version?: string;
    readonly checks: readonly { id: string; applied: string }[];
  }
  const whole = async () => (await ask('GET', `${base}/devices/${device}/checks`)) as Whole;
  await until(async () => (await whole()).checks.every(({ applied }) => applied === 'applied'));
  const { version, given_version, checks } = await whole();
  expect([given_version, checks.length]).toEqual([version, 5]);
});

it('a check that is given while the device is connected is made at once, not when it asks next', async () => {
  const { checks } = (await ask('GET', `${base}/checks/fleet`)) as { checks: object[] };
  const given = [...checks, { type: 'disk', name: 'added', percent: 100 }];
  await ask('PUT', `${base}/checks/fleet`, { checks: given });
  const said = async () =>
    (await ask('GET', `/api/management/v1/devicemonitor/devices/${device}/config`)) as { name: string }[];
  await until(async () => (await said()).some(({ name }) => name.startsWith('added')));
});

it('a process that ends is an alert in the API, in a mailbox and at a webhook, and clears when it runs again', async () => {
  await stopWork();
  await until(async () => (await bad()).some(({ check, level }) => check === 'process_worker' && level === 'CRITICAL'));
  const [letter] = await mailbox.until(1);
  await until(() => hooked.length > 0);
  expect(letter?.to).toEqual([rig.server.user]);
  expect(letter?.subject).toBe(`CRITICAL: Monitor Alert for ${hooked[0]?.name} on ${device}`);
  work();
  await until(async () => (await bad()).length === 0);
  const [, recovery] = await mailbox.until(2);
  expect(recovery?.subject).toBe(`OK: Monitor Alert for ${hooked[0]?.name} on ${device}`);
  await until(() => hooked.length === 2);
  expect(hooked.map(({ level }) => level)).toEqual(['CRITICAL', 'OK']);
}, 120_000);

it('what happens while the device is cut off comes later, in order, with its time, and once', async () => {
  const before = (await history()).length;
  await rig.server.stop('SIGKILL');
  const cut = Date.now();
  for (const name of logs) await appendFile(join(folder, 'log', name), 'all is broken\n');
  // Long enough for each of them to be well again.
  await pause(3000);
  const back = Date.now();
  await rig.server.restart();
  await until(async () => (await history()).length === before + 2 * logs.length);
  const came = (await history()).slice(before);
  for (const name of logs) {
    const ofLog = came.filter(({ check }) => check === `log_${name}`);
    expect(ofLog.map(({ level }) => level)).toEqual(['CRITICAL', 'OK']);
    for (const { timestamp } of ofLog) {
      expect(Date.parse(timestamp)).toBeGreaterThan(cut - 2000);
      expect(Date.parse(timestamp)).toBeLessThan(back + 2000);
    }
  }
  expect(await bad()).toEqual([]);
}, 120_000);

it('a server that is killed while alerts arrive loses none and doubles none', async () => {
  const before = (await history()).length;
  const life = new AbortController();
  const breaking = (async () => {
    while (!life.signal.aborted) {
      for (const name of logs) await appendFile(join(folder, 'log', name), 'broken again\n');
      await pause(1700);
    }
  })();
  for (let kill = 0; kill < 2; kill++) {
    const known = await history();
    await until(async () => (await history()).length > known.length);
    await rig.server.restart('SIGKILL');
  }
  const last = (await history()).length;
  await until(async () => (await history()).length > last);
  life.abort();
  await breaking;
  // All of them say how it ended.
  const latest = async () => {
    const all = (await history()).slice(before);
    return logs.map((name) => all.filter(({ check }) => check === `log_${name}`));
  };
  await until(async () => (await latest()).every((ofLog) => ofLog.at(-1)?.level === 'OK'));
  const ids = async () => (await history()).map(({ id }) => id);
  // What the device has made and what the server has are the same alerts: a pair that was lost, CRITICAL and OK, shows too.
  const made = async () => await madeBy(join(folder, 'state'));
  await expect.poll(async () => (await ids()).toSorted(), { timeout: 50_000 }).toEqual((await made()).toSorted());
  expect(new Set(await ids()).size).toBe((await ids()).length);
  for (const ofLog of await latest()) {
    const levels = ofLog.map(({ level }) => level);
    expect(levels).toEqual(levels.map((_, at) => (at % 2 === 0 ? 'CRITICAL' : 'OK')));
    expect(levels.length).toBeGreaterThanOrEqual(2);
  }
}, 120_000);

/** Ids of all alerts that a device has ever made, as its own file says. */
async function madeBy(state: string): Promise<string[]> {
  const lines = (await readFile(join(state, 'alerts.jsonl'), 'utf8')).split('\n').filter(Boolean);
  return lines.flatMap((line) => (JSON.parse(line) as { alert?: { id: string } }).alert?.id ?? []);
}
