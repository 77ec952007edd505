import { expect, it } from 'vitest';
import { CodedError } from '#base/errors';
import { OperatorLink, type OperatorLinkOptions } from './operator-link.ts';
import type { SocketEvents } from './operator-socket.ts';

const soon = { ask: 2, dead: 4, first: 1, ceiling: 1, greet: 10_000 };

/** A link whose sockets the test opens and closes; `happened` waits for the next thing that it does. */
function stage(more: Partial<OperatorLinkOptions> = {}) {
  const ending = new AbortController();
  const did: string[] = [];
  let wake = (): void => undefined;
  const note = (what: string): void => {
    did.push(what);
    wake();
  };
  let refusal: CodedError | undefined;
  let socket: SocketEvents;
  const link = new OperatorLink({
    dial: async (sid, events) => {
      socket = events;
      note(`dial ${sid}`);
      if (refusal) throw refusal;
      events.opened({ buffered: 0, send: () => undefined, close: (code) => note(`close ${code}`) }, false);
    },
    times: { ...soon, ask: 10_000, dead: 20_000 },
    signal: ending.signal,
    sid: () => 'one',
    received: (data) => note(`got ${data.length}`),
    written: () => undefined,
    ask: () => note('ask'),
    deaf: () => false,
    lost: (code, why) => {
      note(`lost ${code} ${why?.message ?? 'silent'}`);
      return true;
    },
    refused: (error) => {
      note(`refused ${String(error)}`);
      ending.abort();
    },
    ...more,
  });
  return {
    link,
    did,
    refuse: (code: string | undefined) => (refusal = code === undefined ? undefined : new CodedError(code, 'no')),
    socket: () => socket,
    async until(what: string): Promise<void> {
      while (!did.includes(what)) await new Promise<void>((resolve) => (wake = resolve));
    },
    [Symbol.dispose]: () => (ending.abort(), link.close(1000)),
  };
}
const gone = new CodedError('connection', 'gone');

it('opens the next socket when one is lost, however often the network has none, and hears the older no more', async () => {
  using way = stage();
  await way.link.connect();
  const first = way.socket();
  way.refuse('connection');
  first.closed(1006, gone);
  expect(way.link.up).toBe(false);
  await way.until('lost 1006 gone');
  way.did.length = 0;
  await way.until('dial one');
  way.refuse(undefined);
  way.did.length = 0;
  await way.until('dial one');
  await new Promise(setImmediate);
  expect(way.link.up).toBe(true);
  first.message(new Uint8Array(3));
  first.closed(1006, gone);
  way.socket().message(new Uint8Array(4));
  expect(way.did).toEqual(['dial one', 'got 4']);
});

it('asks its session when the server gives it no socket any more', async () => {
  using way = stage();
  await way.link.connect();
  way.refuse('not_found');
  way.socket().closed(1006, gone);
  await way.until('refused CodedError: no');
  expect(way.did).toEqual(['dial one', 'lost 1006 gone', 'dial one', 'refused CodedError: no']);
});

it('replaces a socket that has gone silent, but not while nothing is read from it', async () => {
  let deaf = true;
  using way = stage({ times: soon, deaf: () => deaf });
  await way.link.connect();
  way.link.greeted(true);
  await way.until('ask');
  way.did.length = 0;
  await way.until('ask');
  expect(way.did).toEqual(['ask']);
  deaf = false;
  await way.until('lost 4000 silent');
  expect(way.did.slice(-2)).toEqual(['close 4000', 'lost 4000 silent']);
});
