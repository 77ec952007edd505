import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import { expect, it } from 'vitest';
import type { CliHost } from '#addon/cli';
import type { MessageOf } from '#proto';
import half from './cli.ts';
import { Line } from './line.testing.ts';
import manifest from './manifest.ts';
import type { shell } from './protocol.ts';

type Message = MessageOf<typeof shell>;
const bytes = (text: string): Uint8Array => Buffer.from(text);
const started: Message = { typ: 'new', props: { status: 1, patchbay: true }, body: bytes('Shell started') };

function start(screen: { columns?: number; rows?: number } = { columns: 90, rows: 25 }) {
  const line = new Line();
  const raw: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (yes: boolean) => raw.push(yes) });
  const stdout = Object.assign(new PassThrough(), { isTTY: true, ...screen });
  const stderr = new PassThrough();
  const read = (stream: PassThrough): string => {
    let all = '';
    for (let part = stream.read() as Buffer | null; part; part = stream.read() as Buffer | null) all += part.toString();
    return all;
  };
  let code = 0;
  const stop = new AbortController();
  const host: CliHost<typeof manifest> = {
    stdin,
    stdout,
    stderr,
    json: false,
    signal: stop.signal,
    findDevices: () => Promise.reject(new Error('nobody asks')),
    openOther: () => Promise.reject(new Error('nobody asks')),
    resolveDevice: (wanted) => Promise.resolve({ id: `id-of-${wanted}`, name: wanted }),
    openSession: () => Promise.resolve(line),
    fetch: () => Promise.reject(new Error('offline')),
    // oxlint-disable-next-line require-yield
    async *changes() {
      throw new Error('nobody asks');
    },
    list: () => undefined,
    paint: (_, text) => text,
    plain: (text) => text,
    note: () => undefined,
    exit: (given) => void (code = given),
  };
  const command = new Command('terminal');
  void half.terminal(command, host);
  const done = command.parseAsync(['pi'], { from: 'user' }).then(() => code);
  return { line, raw, stdin, stdout, stderr, read, stop, done };
}

it('asks for a shell of the size of the screen, and tells of every change', async () => {
  const { line, stdout, done } = start();
  expect(await line.heard(({ typ }) => typ === 'new')).toMatchObject({
    props: { terminal_width: 90, terminal_height: 25 },
  });
  line.say(started, { typ: 'shell', props: { status: 1 }, body: bytes('$ ') });
  await new Promise<void>((resolve) => stdout.once('readable', resolve));
  Object.assign(stdout, { columns: 120, rows: 40 });
  stdout.emit('resize');
  expect(await line.heard(({ typ }) => typ === 'resize')).toMatchObject({
    props: { terminal_width: 120, terminal_height: 40 },
  });
  line.say({ typ: 'stop', props: { status: 2, exit_code: 0 }, body: bytes('shell exited with code 0') });
  expect(await done).toBe(0);
});

it('passes keys and output on as they are, and ends with the exit code of the shell', async () => {
  const { line, raw, stdin, stdout, read, done } = start();
  line.say(started);
  stdin.write(Buffer.from([0xff, 0x03, 0x1b]));
  const keys = await line.heard(({ typ }) => typ === 'shell');
  expect(Buffer.from((keys as { body: Uint8Array }).body).toString('hex')).toBe('ff031b');
  line.say({ typ: 'shell', props: { status: 1 }, body: Uint8Array.of(0xc3, 0x28) });
  line.say({ typ: 'stop', props: { status: 2, exit_code: 7 }, body: bytes('shell exited with code 7') });
  expect(await done).toBe(7);
  expect(Buffer.from(read(stdout)).length).toBeGreaterThan(0);
  expect(raw).toEqual([true, false]);
});

it('a shell that is refused says why, and the terminal is as it was', async () => {
  const { line, raw, done } = start();
  line.say({ typ: 'new', props: { status: 2 }, body: bytes('user has too many open sessions') });
  await expect(done).rejects.toThrow('no shell on pi: user has too many open sessions');
  expect(raw.at(-1)).toBe(false);
  expect(line.closed).toBe(true);
});

it('a device that does not answer is named as what the person waits for', async () => {
  const { line, stderr, read, done } = start();
  await new Promise<void>((resolve) => stderr.once('readable', resolve));
  expect(read(stderr)).toBe('waiting for pi to answer (Ctrl-C leaves)\n');
  line.lose('device disconnected');
  expect(await done).toBe(1);
});

it('Ctrl-] leaves, and stops the shell', async () => {
  const { line, stdin, stderr, read, done } = start();
  line.say(started);
  stdin.write(Buffer.from('x\x1d'));
  expect(await done).toBe(0);
  expect(line.sent.map(({ typ }) => typ)).toEqual(['new', 'shell', 'stop']);
  expect(read(stderr)).toContain('left, the shell is closed');
});

it('a Ctrl-] inside of a paste is data', async () => {
  const { line, stdin, stop, done } = start();
  line.say(started);
  stdin.write(Buffer.concat([Buffer.alloc(100, 'x'), Buffer.from('\x1d')]));
  const paste = await line.heard(({ typ }) => typ === 'shell');
  expect((paste as { body: Uint8Array }).body).toHaveLength(101);
  stop.abort();
  expect(await done).toBe(1);
});

it.each([
  ['the server says that the device is gone', 'device disconnected', 'The device has lost its connection'],
  ['an administrator ends it', 'ended by an administrator', 'An administrator has ended this session.'],
  ['it was idle for too long', 'session expired', 'idle, or open, for longer than its configuration allows'],
])('%s: it is said, and the exit code is 1', async (_, why, said) => {
  const { line, raw, stderr, read, done } = start();
  line.say(started, { typ: 'stop', props: { status: 2 }, body: bytes(why) });
  expect(await done).toBe(1);
  expect(read(stderr)).toContain(said);
  expect(raw.at(-1)).toBe(false);
});

it('the link is lost: it is said, the exit code is 1, and modes that a program had set are taken back', async () => {
  const { line, stdout, stderr, read, done } = start();
  line.say(started, { typ: 'shell', props: { status: 1 }, body: bytes('\x1b[?1049h\x1b[?25l\x1b[?1000;1006h') });
  await new Promise<void>((resolve) => stdout.once('readable', resolve));
  line.lose('connection lost: the server does not answer');
  expect(await done).toBe(1);
  expect(read(stderr)).toContain('the server does not answer');
  const screen = read(stdout);
  for (const back of ['\x1b[?1049l', '\x1b[?25h', '\x1b[?1000l', '\x1b[?1006l']) expect(screen).toContain(back);
});

it('a stock device that says it cannot read its terminal any more has had an exit', async () => {
  const { line, done } = start();
  line.say(started, { typ: 'stop', props: { status: 2 }, body: bytes('read /dev/ptmx: input/output error') });
  expect(await done).toBe(0);
});

it('answers the health check of the device', async () => {
  const { line, done } = start();
  line.say(started, { typ: 'ping', props: { timeout: 65, status: 3 } });
  await line.heard(({ typ }) => typ === 'pong');
  line.say({ typ: 'stop', props: {}, body: bytes('') });
  await done;
});

it('of input that ends, a pipe, the device is told as of the key Ctrl-D', async () => {
  const { line, stdin, done } = start({});
  line.say(started);
  stdin.end('exit 3\n');
  await line.heard((message) => message.typ === 'shell' && message.body[0] === 4);
  line.say({ typ: 'stop', props: { exit_code: 3 }, body: bytes('') });
  expect(await done).toBe(3);
});
