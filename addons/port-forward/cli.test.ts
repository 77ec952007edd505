import { connect } from 'node:net';
import { PassThrough } from 'node:stream';
import { Command } from 'commander';
import { afterEach, expect, it, vi } from 'vitest';
import type { CliHost } from '#addon/cli';
import { TestSession } from '#addon/session.testing';
import { CodedError } from '#base/errors';
import half from './cli.ts';
import type manifest from './manifest.ts';
import { portForward } from './protocol.ts';

afterEach(() => void vi.useRealTimers());

/** `patchbay forward …` with a device that is in the hands of the test: it goes as a session of one that was lost does. */
function start(...args: string[]) {
  let link = (_up: boolean): void => undefined;
  const onLink = (listener: typeof link): (() => void) => {
    link = listener;
    return () => undefined;
  };
  const session = Object.assign(new TestSession(portForward), { close: () => undefined, onLink });
  const stderr = new PassThrough();
  const said: string[] = [];
  stderr.on('data', (bytes: Buffer) => said.push(bytes.toString()));
  let code = 0;
  const openSession = vi.fn(() => Promise.resolve(session));
  const away = (): Promise<never> => Promise.reject(new CodedError('not_found', 'device disconnected'));
  const host = {
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr,
    signal: new AbortController().signal,
    resolveDevice: () => Promise.resolve({ id: 'd', name: 'pump' }),
    openSession,
    exit: (given: number) => void (code = given),
  } as unknown as CliHost<typeof manifest>;
  const command = new Command('forward');
  void half.forward(command, host);
  const done = command.parseAsync(['pump', ...args], { from: 'user' }).then(() => code);
  return {
    done,
    session,
    said: () => said.join(''),
    link: (up: boolean) => link(up),
    /** The next session is there, with the one before it over. */
    anew: (): void => {
      const next = Object.assign(new TestSession(portForward), { close: () => undefined, onLink });
      openSession.mockResolvedValue(next);
      session.end(new CodedError('lost', 'the session cannot go on: the session has ended'));
    },
    lose: () => {
      openSession.mockImplementation(away);
      session.end(new CodedError('device', 'device disconnected'));
    },
    heard: async (what: string): Promise<void> => {
      while (!said.join('').includes(what)) await new Promise((resolve) => stderr.once('data', resolve));
    },
  };
}

it('PF-13 a device that drops and does not come back is the end of the ports, and why is said', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const { done, heard, lose } = start('0:80');
  await heard('Ctrl-C stops it.');
  const failed = expect(done).rejects.toThrow('pump: device disconnected, and the device did not come back');
  lose();
  await heard('pump: device disconnected; waiting for the device');
  await vi.advanceTimersByTimeAsync(11 * 60_000);
  await failed;
});

it('PF-13 a pipe through a device that drops ends at once with a code that is not 0, and why is said', async () => {
  const { done, said, lose } = start('--stdio', '80');
  await new Promise((resolve) => setImmediate(resolve));
  lose();
  expect(await done).toBe(1);
  expect(said()).toBe('patchbay: pump: device disconnected\n');
});

it('a session that is begun anew with nothing open in it is no more than a link that was away', async () => {
  const { heard, link, anew, said } = start('0:80');
  await heard('Ctrl-C stops it.\n');
  link(false);
  anew();
  await heard('connected again');
  expect(said().split('Ctrl-C stops it.\n')[1]).toBe('pump: reconnecting\npump: connected again\n');
});

it('what is lost with a session is not passed over', async () => {
  const { heard, link, anew, said, session } = start('0:80');
  await heard('Ctrl-C stops it.\n');
  const [, port] = /127\.0\.0\.1:(\d+) is/.exec(said()) ?? [];
  const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined);
  await session.answer('new');
  link(false);
  anew();
  await heard('connected again');
  socket.destroy();
  expect(said().split('Ctrl-C stops it.\n')[1]).toBe(
    'pump: reconnecting; what is open stays open\n' +
      'pump: the session cannot go on: the session has ended; waiting for the device\npump: connected again\n',
  );
});
