import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { FirstWord, type FirstWordTimes } from '#addons/terminal/first-word';
import type { DeviceOptions } from './stage/device.ts';
import { TestDevice } from './stage/device.ts';
import { Peer } from './stage/peer.ts';
import { Reader, startRelay } from './stage/relay-path.ts';

// A person's session, the relay, a real Connect daemon on a real bus, a real shell.

const open: AsyncDisposable[] = [];
const using = <T extends AsyncDisposable>(thing: T): T => (open.push(thing), thing);
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
});

type Server = Awaited<ReturnType<typeof startRelay>>;

async function path(options: DeviceOptions = {}): Promise<{ server: Server; device: TestDevice }> {
  const server = using(await startRelay());
  const device = using(await TestDevice.start('one', server.url, options));
  await server.until('the device is connected', () => server.relay.isConnected('one'));
  return { server, device };
}
const reader = async (server: Server, who = 'ann'): Promise<Reader> => new Reader(await server.open('one', who));
async function shell(server: Server, who = 'ann'): Promise<Reader> {
  return await (await reader(server, who)).start();
}
const ask = (reader: Reader, typ: 'new' | 'shell' | 'stop'): ReturnType<Reader['answer']> => {
  reader.session.send({ typ, props: {}, body: new Uint8Array() });
  return reader.answer(typ);
};

describe('a shell', () => {
  it('D-32 TERM-4 a key typed comes back from a real shell, of the size of the screen', async () => {
    const { server } = await path();
    const person = await (await reader(server)).start({ terminal_width: 91, terminal_height: 37 });
    person.type('stty size; echo $((6*7))\r');
    await person.shows('37 91');
    await person.shows('42');
    person.session.send({ typ: 'resize', props: { terminal_width: 120, terminal_height: 50 } });
    person.type('stty size\r');
    await person.shows('50 120');
  });

  it('D-32 TERM-2 says that it has started, and has the configured size until the screen says its own', async () => {
    const { server } = await path({ settings: { Terminal: { Width: 77, Height: 33 } } });
    const person = await reader(server);
    expect(await ask(person, 'new')).toMatchObject({ status: 1, body: 'Shell started' });
    person.type('stty size\r');
    await person.shows('33 77');
  });

  it('D-33 cannot be asked for twice in one session, and the first goes on', async () => {
    const { server } = await path();
    const person = await shell(server);
    expect(await ask(person, 'new')).toMatchObject({
      status: 2,
      body: 'failed to start shell: shell is already running',
    });
    person.type('echo $((6*7))\r');
    await person.shows('42');
  });

  it('D-34 TERM-6 is refused to a person who has MaxPerUser of them, and given to another', async () => {
    const { server } = await path({ settings: { Sessions: { MaxPerUser: 1 } } });
    const first = await shell(server);
    const second = await reader(server);
    expect(await ask(second, 'new')).toMatchObject({ status: 2, body: 'user has too many open sessions' });
    await shell(server, 'bob');
    expect(await ask(first, 'stop')).toMatchObject({ status: 1, body: '' });
    await shell(server);
  });

  it('D-35 TERM-7 is refused where 16 are open, and the count is right after every kind of end', async () => {
    const { server } = await path({ settings: { ShellCommand: '/bin/sh', ShellArguments: [] } });
    const all: Reader[] = [];
    for (let i = 0; i < 16; i++) all.push(await shell(server, `user${i}`));
    const late = await reader(server);
    expect(await ask(late, 'new')).toMatchObject({ status: 2, body: 'too many shells spawned' });
    all[0]!.type('exit\r');
    await all[0]!.answer('stop');
    await ask(all[1]!, 'stop');
    all[2]!.session.close();
    for (let i = 0; i < 2; i++) await shell(server, `late${i}`);
    await server.until('the session closed by its person is over', () =>
      server.events.some(({ type }) => type === 'closed'),
    );
    let third = await reader(server);
    while ((await ask(third, 'new')).status !== 1) third = await reader(server);
    expect(await ask(late, 'new')).toMatchObject({ body: 'too many shells spawned' });
  });

  it('has no end of the terminals of others, which would not be hung up while it lives', async () => {
    const { server } = await path();
    await shell(server, 'ann');
    await shell(server, 'bob');
    const third = await shell(server, 'cid');
    third.type('ls -l /proc/$$/fd | grep -c ptmx; echo cou""nted $0\r');
    await third.shows('counted /bin/bash');
    expect(third.output.toString()).toMatch(/^0\r$/m);
  });

  it('D-36 D-38 TERM-8 that does not exist takes no keys and cannot be stopped', async () => {
    const { server } = await path();
    const person = await reader(server);
    person.type('ls\r');
    await person.until('the error', () => person.output.length > 0);
    expect(person.output.toString()).toBe('session not found');
    const { status, body } = await ask(person, 'stop');
    expect(status).toBe(2);
    expect(body).toMatch(/^routeMessage: StopShellMessage: session not found for id [0-9a-f-]{36}$/);
  });

  it('D-37 answers a word of no meaning with that word', async () => {
    const { server } = await path();
    const far = await Peer.connect(`${server.url}/api/management/v1/deviceconnect/devices/one/connect`, {
      headers: { Authorization: 'Bearer user-ann' },
    });
    far.send({ proto: 1, typ: 'dance' });
    const { hdr, body } = await far.next({ proto: 1 });
    expect(hdr).toMatchObject({ typ: 'dance', props: { status: 2n } });
    expect(Buffer.from(body!).toString()).toBe('unknown message protocol and type: 1/dance');
    far.socket.close();
  });

  it('D-38 stops at once, and a second stop finds nothing', async () => {
    const { server } = await path();
    const person = await shell(server);
    const start = performance.now();
    expect(await ask(person, 'stop')).toEqual({ status: 1, body: '', props: { status: 1 } });
    expect(performance.now() - start).toBeLessThan(1500);
    expect((await ask(person, 'stop')).body).toContain('session not found');
  });

  it('D-39 that exits says so with its code, and takes the stop that peers send then', async () => {
    const { server } = await path();
    const person = await shell(server);
    person.type('exit 7\r');
    expect(await person.answer('stop')).toMatchObject({ status: 2, props: { exit_code: 7 } });
    expect(await ask(person, 'stop')).toMatchObject({ status: 1 });
  });

  it('D-39 that is killed says so', async () => {
    const { server } = await path();
    const person = await shell(server);
    person.type('kill -9 $$\r');
    expect(await person.answer('stop')).toMatchObject({ status: 2, props: { exit_code: 137 } });
  });

  it('TERM-16 is refused where the terminal is disabled, in the words of the reference', async () => {
    const { server } = await path({ settings: { Terminal: { Disable: true } } });
    const person = await reader(server);
    expect(await ask(person, 'new')).toMatchObject({ status: 2, body: 'unknown message protocol and type: 1/new' });
  });

  it('D-43 that takes its time to stop does not hold up others', async () => {
    const { server } = await path();
    const slow = await shell(server);
    const other = await shell(server);
    slow.type('trap "" HUP; echo dea""f\r');
    await slow.shows('deaf');
    const stopped = ask(slow, 'stop');
    other.type('echo $((6*7))\r');
    await other.shows('42');
    expect((await stopped).status).toBe(1);
  });

  it('D-44 that nobody types into for ExpireAfterIdle is closed, and its person told', async () => {
    const { server } = await path({ settings: { Sessions: { ExpireAfterIdle: 1 } } });
    const person = await shell(server);
    expect(await person.answer('stop')).toMatchObject({ status: 2, body: 'session expired' });
    await person.until('the shell is gone', () => true);
  });
});

describe('a shell of a device that does not say it is ours', () => {
  /** A person at it as our programs have him, and each time that another shell is opened for him. */
  async function sit(server: Server, times: Partial<FirstWordTimes> = {}) {
    const line = await server.open('one');
    const send = line.send.bind(line);
    // Not asked, ours answers as a stock one does.
    line.send = (message) => send(message.typ === 'new' ? { ...message, props: {} } : message);
    const others: boolean[] = [];
    return { person: new Reader(new FirstWord(line, (opening) => void others.push(opening), times)), others };
  }
  const shellOf = (script: string) => ({ ShellCommand: '/bin/sh', ShellArguments: ['-c', script] });

  it('that is mute is ended, and the next gets what was typed, once', async () => {
    const folder = using(await mkdtempDisposable(join(tmpdir(), 'patchbay-mute-')));
    const mute = `if mkdir ${folder.path}/mute; then echo $$ >${folder.path}/pid; stty raw -echo; exec sleep 600; fi`;
    const { server } = await path({ settings: shellOf(`${mute} 2>/dev/null; exec sh -i`) });
    const { person, others } = await sit(server, { silence: 300, answer: 2000 });
    person.session.send({ typ: 'new', props: {}, body: new Uint8Array() });
    person.type('echo said-$((40+2))\r');
    await person.shows('said-42');
    expect(others.slice(0, 1)).toEqual([true]);
    expect(person.output.toString().split('said-42')).toHaveLength(2);
    const pid = Number(readFileSync(join(folder.path, 'pid'), 'utf8'));
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });

  it('that takes its time before its first word is left alone: its terminal shows what is typed', async () => {
    const { server } = await path({ settings: shellOf('sleep 5; exec sh -i') });
    const { person, others } = await sit(server);
    person.session.send({ typ: 'new', props: {}, body: new Uint8Array() });
    person.type('echo said-$((40+2))\r');
    await person.shows('said-42');
    expect(others).toEqual([]);
  });
});

describe('bytes', () => {
  it('D-42 50 MB of output arrive complete and in order, with little of it ever in memory', async () => {
    const { server } = await path({ settings: { ShellCommand: '/bin/sh', ShellArguments: [] } });
    const person = await shell(server);
    person.type('stty raw -echo; printf ST""ART; yes 0123456789abcde | head -c 50000000; printf E""ND; exec cat\r');
    await person.shows('START');
    let peak = 0;
    const watch = setInterval(() => (peak = Math.max(peak, process.memoryUsage().arrayBuffers)), 20);
    const before = process.memoryUsage().arrayBuffers;
    const hash = createHash('md5');
    let size = 0;
    let tail = '';
    const take = (): boolean => {
      hash.update(person.output);
      size += person.output.length;
      tail = (tail + person.output.subarray(-8).toString('latin1')).slice(-8);
      person.output = Buffer.alloc(0);
      return tail.includes('END');
    };
    person.output = person.output.subarray(person.output.indexOf('START') + 5);
    await person.until('the end', take, 120_000);
    clearInterval(watch);
    const all = Buffer.alloc(50_000_000, '0123456789abcde\n');
    expect(size).toBe(50_000_003 + tail.length - tail.indexOf('END') - 3);
    expect(tail.includes('END')).toBe(true);
    expect(createHash('md5').update(all).update('END').digest('hex')).toBe(hash.digest('hex'));
    expect(peak - before).toBeLessThan(64e6);
  }, 150_000);

  it('ask-10 Ctrl-C ends a flood within a moment', async () => {
    const { server } = await path();
    const person = await shell(server);
    person.type('yes\r');
    await person.until('a flood', () => person.output.length > 1_000_000, 60_000);
    const start = performance.now();
    person.type('\x03');
    person.type('echo don""e\r');
    await person.until('the prompt', () => {
      const done = person.output.includes('done');
      person.output = person.output.subarray(-100);
      return done;
    });
    expect(performance.now() - start).toBeLessThan(3000);
  });

  it('H-70 a paste of 20 kB arrives whole', async () => {
    const { server } = await path();
    const person = await shell(server);
    person.type("stty raw -echo; printf RE''ADY; head -c 20000 | md5sum\r");
    await person.shows('READY');
    const paste = Buffer.alloc(20_000, 'the quick brown fox ');
    person.type(paste);
    await person.shows(createHash('md5').update(paste).digest('hex'));
  });

  it('input that no program reads waits, and is there when one does', async () => {
    const { server } = await path();
    const person = await shell(server);
    const other = await shell(server);
    person.type("stty raw -echo; printf RE''ADY; sleep 2; head -c 5000000 | md5sum\r");
    await person.shows('READY');
    const part = Buffer.alloc(50_000, 'abcdefghij');
    for (let i = 0; i < 100; i++) if (!person.type(part)) await person.session.drained();
    other.type('echo $((6*7))\r');
    await other.shows('42');
    const sum = createHash('md5');
    for (let i = 0; i < 100; i++) sum.update(part);
    await person.until('the sum', () => person.output.includes(sum.copy().digest('hex')), 30_000);
  });
});

describe('a link that is lost', () => {
  it('H-69 TERM-12 of the person ends his shell, and his place on the device is free at once', async () => {
    const { server } = await path({ settings: { Sessions: { MaxPerUser: 1, ExpireAfterIdle: 600 } } });
    const near = await Peer.connect(`${server.url}/api/management/v1/deviceconnect/devices/one/connect`, {
      headers: { Authorization: 'Bearer user-ann' },
    });
    near.send({ proto: 1, typ: 'new' });
    await near.next({ typ: 'new' });
    near.send({ proto: 1, typ: 'shell' }, 'echo pid=$$\r');
    let output = '';
    while (!/pid=\d+\r/.test(output)) output += Buffer.from((await near.next({ typ: 'shell' })).body!).toString();
    near.socket.terminate();
    await ended(Number(/pid=(\d+)\r/.exec(output)![1]));
    await shell(server);
  });

  it('H-67 of the device ends the session, with the reason', async () => {
    const { server, device } = await path();
    const person = await shell(server);
    await device.stop();
    expect(await person.answer('stop')).toMatchObject({ status: 2, body: 'device disconnected' });
    await person.until('the end', () => person.ended);
  });

  it('H-68 of the device is no obstacle to a new session, and the old shell is over', async () => {
    const { server } = await path({ times: { first: 50, ceiling: 100 } });
    const person = await shell(server);
    person.type('echo pid=$$; while sleep 0.1; do echo still here; done\r');
    await person.until('the pid', () => /pid=\d+\r/.test(person.output.toString()));
    const pid = Number(/pid=(\d+)\r/.exec(person.output.toString())![1]);
    server.relay.disconnectDevice('one', 'test');
    await person.answer('stop');
    await server.until('the device is back', () => server.presence.filter((what) => what === '+one').length === 2);
    const again = await shell(server);
    again.type('echo $((6*7))\r');
    await again.shows('42');
    await ended(pid);
  });
});

it('a hundred sessions, cut in every way, leave no process, descriptor or session behind', async () => {
  const { server } = await path({ settings: { ShellCommand: '/bin/sh', ShellArguments: [] } });
  const cut = async (round: number): Promise<void> => {
    const person = await reader(server, `user${round % 7}`);
    if (round % 5 === 0) return person.session.close();
    await person.start();
    person.type('sleep 60 & echo $((6*7)); yes | head -c 100000\r');
    if (round % 2 === 0) await person.shows('42');
    if (round % 3 === 0) await ask(person, 'stop');
    if (round % 7 === 0) person.type('exit\r');
    person.session.close();
  };
  const descriptors = (): number => readdirSync('/proc/self/fd').length;
  await cut(2);
  const before = descriptors();
  for (let round = 0; round < 96; round += 8) await Promise.all(Array.from({ length: 8 }, (_, i) => cut(round + i)));
  await eventually('no session', () => server.relay.sessions().length === 0);
  await eventually('no shell', () => childrenOf(process.pid, 'sh') === 0);
  await eventually('no descriptor more', () => descriptors() <= before);
}, 60_000);

async function eventually(what: string, holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1500; i++) {
    if (holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never: ${what}`);
}

/** Children of a process with this name, zombies as well. */
function childrenOf(parent: number, name: string): number {
  const stats = readdirSync('/proc').flatMap((pid) => {
    try {
      return /^\d+$/.test(pid) ? [readFileSync(`/proc/${pid}/stat`, 'latin1')] : [];
    } catch {
      return [];
    }
  });
  return stats.filter((stat) => stat.includes(`(${name}) `) && stat.split(') ')[1]?.split(' ')[1] === String(parent))
    .length;
}

/** Waits for the end of a process that is no child of ours to wait for. */
async function ended(pid: number): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`process ${pid} is still there`);
}
