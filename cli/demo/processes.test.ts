import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findBusDaemon, startBus } from './bus.ts';
import { groupLives, Processes } from './processes.ts';
import { choosePort } from './server.ts';
import { Warden } from './warden.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-processes-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const options = () => ({ cwd: folder, env: { PATH: '/usr/bin:/bin' } });

async function logged(log: { tail(): Promise<string> }, pattern: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const found = pattern.exec(await log.tail());
    if (found) return found;
    await sleep(10);
  }
}

test('what a process has started ends with it, even what does not want to', async () => {
  let pid: number;
  {
    await using processes = new Processes(folder, undefined, 300);
    const script = "trap '' TERM; sh -c 'trap \"\" TERM; echo child up; sleep 60 & wait; sleep 60' & wait";
    const one = await processes.start('stubborn', 'sh', ['-c', script], options());
    await logged(one, /child up/);
    pid = one.pid;
    expect(groupLives(pid)).toBe(true);
  }
  expect(groupLives(pid)).toBe(false);
}, 20_000);

test('a process that ends too early is told, with what it said last', async () => {
  await using processes = new Processes(folder);
  const one = await processes.start('brief', 'sh', ['-c', 'echo first; echo no space left >&2; exit 3'], options());
  await expect(processes.broken).rejects.toThrow('brief ended with exit code 3');
  expect(await one.tail(1)).toBe('no space left');
});

test('a process that is still at work when the demo ends, ends with it', async () => {
  const processes = new Processes(folder);
  const { signal } = new AbortController();
  const work = processes.run('sh', ['-c', 'cat; sleep 60'], { ...options(), input: 'hello', signal });
  await processes[Symbol.asyncDispose]();
  expect(await work).toEqual({ code: null, out: expect.any(String), err: '' });
  await expect(processes.run('true', [], { ...options(), signal })).rejects.toThrow('interrupted');
});

test('a program that is not there is named', async () => {
  await using processes = new Processes(folder);
  await expect(processes.start('x', '/nowhere/prog', [], options())).rejects.toThrow('there is no program prog here');
});

test('when the demo is gone without a word, its processes and its folder go too', async () => {
  const remove = await mkdtemp(join(tmpdir(), 'patchbay-warden-'));
  const warden = new Warden(remove);
  await using processes = new Processes(folder, warden);
  const one = await processes.start('orphan', 'sleep', ['60'], options());
  warden.abandon();
  await one.ended;
  while (groupLives(warden.pid ?? 0)) await sleep(10);
  await expect(rm(remove)).rejects.toThrow('ENOENT');
});

test('a bus takes connections, and a second one in a folder too deep for a socket is refused in words', async () => {
  await using processes = new Processes(folder);
  const daemon = await findBusDaemon('/usr/bin:/bin');
  expect(await startBus('bus', daemon, folder, processes)).toBe(`unix:path=${folder}/bus`);
  const deep = join(folder, 'x'.repeat(100));
  await expect(startBus('deep', daemon, deep, processes)).rejects.toThrow('is too long a path for a socket');
});

test('without a dbus-daemon it is said how to get one', async () => {
  await expect(findBusDaemon(`${folder}:`)).rejects.toThrow("by 'apt-get install dbus-daemon'");
});

test('a port that was asked for and is in use is refused; otherwise another one is taken', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await expect(choosePort(port, 0)).rejects.toThrow(`port ${port} is in use: give another one by --port`);
  expect(await choosePort(undefined, port)).not.toBe(port);
  await new Promise((resolve) => server.close(resolve));
  expect(await choosePort(port, 0)).toBe(port);
});
