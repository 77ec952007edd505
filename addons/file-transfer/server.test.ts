import { Readable } from 'node:stream';
import { afterEach, expect, it, vi } from 'vitest';
import type { ServerHost, ServerReply, ServerRequest } from '#addon/server';
import { TestSession } from '#addon/session.testing';
import { CodedError } from '#base/errors';
import type manifest from './manifest.ts';
import { fileTransfer } from './protocol.ts';
import { files } from './server.ts';

afterEach(() => void vi.useRealTimers());

/** The device's end of the session is in the hands of the test. */
function start(limit?: number) {
  const session = new TestSession(fileTransfer);
  const opened = vi.fn(() => Promise.resolve(Object.assign(session, { close: () => session.end() })));
  const half = files({ openSession: opened } as unknown as ServerHost<typeof manifest>, limit);
  const ask = (method: string, request: object): Promise<ServerReply> => {
    const route = half.routes.find((one) => one.method === method)!;
    const usual = { params: { id: 'd' }, query: {}, req: { complete: true }, res: {}, requestId: 'r', note() {} };
    return Promise.resolve(route.handler({ ...usual, ...request } as unknown as ServerRequest));
  };
  return { session, opened, ask };
}

const boundary = 'b';
/** A request whose form has a path and a file of this size, in pieces. */
function form(size: number, headers: Record<string, string> = {}): object {
  const part = (name: string, more = '') =>
    `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`;
  function* body() {
    yield Buffer.from(`${part('path')}/f\r\n${part('file', '; filename="f"')}`);
    for (let left = size; left > 0; left -= 1000) yield Buffer.alloc(Math.min(left, 1000), 'x');
    yield Buffer.from(`\r\n--${boundary}--\r\n`);
  }
  const type = `multipart/form-data; boundary=${boundary}`;
  return {
    req: Object.assign(Readable.from(body()), { headers: { 'content-type': type, ...headers }, complete: true }),
  };
}

it.each([
  ['GET', { query: { path: '/f' } }, 'stat'],
  ['PUT', form(5000), 'put_file'],
] as const)(
  'H-76 FT-18 %s: a device that takes the question and never answers is 408 after a minute',
  async (method, request, typ) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { session, ask } = start();
    const reply = ask(method, request);
    await session.answer(typ);
    await vi.advanceTimersByTimeAsync(59_000);
    expect(session.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    expect(await reply).toMatchObject({ status: 408, body: { error: 'file transfer timed out', request_id: 'r' } });
    expect(session.signal.aborted).toBe(true);
  },
);

it('H-76 FT-18 a device that does not even take up the session is 408 as well', async () => {
  const { opened, ask } = start();
  opened.mockRejectedValueOnce(new CodedError('timeout', 'the device does not answer'));
  expect(await ask('GET', { query: { path: '/f' } })).toMatchObject({ status: 408 });
});

it('FT-20 an upload that says itself that it is over the limit is 413, and no device is asked', async () => {
  const { opened, ask } = start();
  const over = String(1024 ** 3 + 2 * 1024 * 1024);
  const reply = await ask('PUT', form(10, { 'content-length': over }));
  expect(reply).toMatchObject({ status: 413, body: { error: 'file: larger than 1073741824 bytes' } });
  expect(opened).not.toHaveBeenCalled();
});

it('FT-20 one that turns out to be over the limit is 413, kept nowhere here, and taken back from the device', async () => {
  const { session, ask } = start(100_000);
  let arrived = 0;
  session.heard = (message) => {
    if (message.typ === 'put_file') session.tell({ typ: 'ack', props: { offset: 0 } });
    if (message.typ !== 'file_chunk') return;
    arrived += message.body.length;
    session.tell({ typ: 'ack', props: message.props });
  };
  expect(await ask('PUT', form(300_000))).toMatchObject({
    status: 413,
    body: { error: 'file: larger than 100000 bytes' },
  });
  expect((await session.answer('error')).body.err).toBe('file: larger than 100000 bytes');
  expect(arrived).toBeLessThanOrEqual(100_000);
});
