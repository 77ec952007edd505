import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { MessageOf } from '#proto';
import { FirstWord, mute } from './first-word.ts';
import { Line } from './line.testing.ts';
import type { shell } from './protocol.ts';

type Message = MessageOf<typeof shell>;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const bytes = (text: string): Uint8Array => Buffer.from(text);
const none = bytes('');
const ok = (props: object = {}): Message => ({
  typ: 'new',
  props: { status: 1, ...props },
  body: bytes('Shell started'),
});
const says = (text: string): Message => ({ typ: 'shell', props: { status: 1 }, body: bytes(text) });
const stopped: Message = { typ: 'stop', props: { status: 1 }, body: none };

/** A person at a shell: what he sees, and what the device was told. */
function sit() {
  const line = new Line();
  const news: boolean[] = [];
  const session = new FirstWord(line, (opening) => news.push(opening));
  const seen: string[] = [];
  void (async () => {
    for await (const message of session)
      seen.push('body' in message ? `${message.typ} ${Buffer.from(message.body).toString()}` : message.typ);
  })();
  session.send({ typ: 'new', props: { terminal_width: 90, terminal_height: 25 }, body: none });
  const type = (text: string): boolean => session.send({ typ: 'shell', props: {}, body: bytes(text) });
  /** The device says something, and what comes of it has come. */
  const device = async (...messages: Message[]): Promise<void> => {
    line.say(...messages);
    await vi.advanceTimersByTimeAsync(0);
  };
  const told = (): string[] =>
    line.sent.map((message) =>
      message.typ === 'shell' ? `shell ${Buffer.from(message.body).toString()}` : message.typ,
    );
  return { line, session, seen, news, type, device, told };
}

it('a device of ours says that it is, and gets the keys at once', async () => {
  const { line, type, device, told } = sit();
  expect(line.sent[0]).toMatchObject({ props: { ask_patchbay: true, terminal_width: 90 } });
  await device(ok({ patchbay: true }));
  type('ls');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told()).toEqual(['new', 'shell ls']);
});

it('the shell of a stock device gets the keys with its prompt, in order', async () => {
  const { seen, type, device, told } = sit();
  await device(ok());
  type('l');
  type('s');
  expect(told()).toEqual(['new']);
  await device(says('$ '));
  type('\r');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told()).toEqual(['new', 'shell l', 'shell s', 'shell \r']);
  expect(seen).toEqual(['new Shell started', 'shell $ ']);
});

it('one that is slow to begin shows by its echo that it is heard, and stays', async () => {
  const { type, device, told, news } = sit();
  await device(ok());
  type('ls');
  await vi.advanceTimersByTimeAsync(1000);
  expect(told()).toEqual(['new', 'shell  \x7f']);
  await device(says(' \b \b'));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told()).toEqual(['new', 'shell  \x7f', 'shell ls']);
  expect(news).toEqual([]);
});

it('a mute one is stopped, and the next, of the size that the screen has by then, gets the keys', async () => {
  const { line, session, seen, type, device, told, news } = sit();
  await device(ok());
  type('ls');
  await vi.advanceTimersByTimeAsync(4000);
  expect(told()).toEqual(['new', 'shell  \x7f', 'stop']);
  expect(news).toEqual([true]);
  session.send({ typ: 'resize', props: { terminal_width: 120, terminal_height: 40 } });
  await device(says('too late'), stopped);
  expect(line.sent.at(-1)).toMatchObject({ typ: 'new', props: { terminal_width: 120, terminal_height: 40 } });
  await device(ok(), says('$ '));
  expect(told().slice(3)).toEqual(['new', 'shell ls']);
  expect(news).toEqual([true, false]);
  expect(seen).toEqual(['new Shell started', 'shell $ ']);
});

it.each([
  ['whose every shell is mute', true],
  ['that does not even stop one', false],
])('a device %s is named as what is wrong', async (_, stops) => {
  const { line, seen, device } = sit();
  for (let shells = 0; shells < 5 && !line.closed; shells++) {
    await device(ok());
    await vi.advanceTimersByTimeAsync(4000);
    if (stops) await device(stopped);
    else await vi.advanceTimersByTimeAsync(15_000);
  }
  expect(line.closed).toBe(true);
  line.lose('closed');
  await vi.advanceTimersByTimeAsync(0);
  expect(seen).toEqual(['new Shell started', `new ${mute}`]);
});

it('keys for a shell that was left before it was heard are for none', async () => {
  const { session, type, device, told } = sit();
  await device(ok());
  type('rm');
  session.send({ typ: 'stop', props: {}, body: none });
  await device(stopped);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(told()).toEqual(['new', 'stop']);
});

it('a paste that would not fit waits until the shell is heard', async () => {
  const { session, type, device } = sit();
  await device(ok());
  expect(type('x'.repeat(65_536))).toBe(false);
  let room = false;
  void session.drained().then(() => (room = true));
  await vi.advanceTimersByTimeAsync(0);
  expect(room).toBe(false);
  await device(says('$ '));
  expect(room).toBe(true);
});
