import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { ask } from './ask.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

async function serve(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<URL> {
  const server = createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/some/path`);
}

it('sends what it is given and answers status, headers and the whole text', async () => {
  const url = await serve((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      response.writeHead(201, { 'Retry-After': '7', 'X-Twice': ['a', 'b'] });
      response.write(`${request.method} ${request.headers['content-length']} ${String(request.headers['x-asked'])} `);
      response.end(Buffer.concat(pieces).toString());
    });
  });
  const answer = await ask(url, {}, { method: 'POST', headers: { 'X-Asked': 'so' }, body: 'grüße' });
  expect(answer).toMatchObject({ status: 201, ok: true, text: 'POST 7 so grüße' });
  expect(answer.headers).toMatchObject({ 'retry-after': '7', 'x-twice': 'a, b' });
});

it('takes a refusal for an answer and follows no redirect', async () => {
  let asked = 0;
  const url = await serve((_, response) => {
    asked += 1;
    response.writeHead(asked === 1 ? 404 : 302, { Location: '/elsewhere' }).end('no');
  });
  expect(await ask(url, {})).toMatchObject({ status: 404, ok: false, text: 'no' });
  expect(await ask(url, {})).toMatchObject({ status: 302, ok: false });
  expect(asked).toBe(2);
});

it('says which request got no answer', async () => {
  const url = await serve((request) => request.socket.destroy());
  await expect(ask(url, {})).rejects.toMatchObject({
    code: 'transport',
    message: expect.stringContaining(`GET ${url.href}: `) as string,
  });
});

it('does not take an answer that was cut for a whole one', async () => {
  const url = await serve((_, response) => {
    response.writeHead(200, { 'Content-Length': '1000' });
    response.write('a part', () => response.destroy());
  });
  await expect(ask(url, {})).rejects.toMatchObject({ code: 'transport' });
});

it('ends when it is told to, in the middle of an answer too', async () => {
  const late = new AbortController();
  const url = await serve((_, response) => {
    response.write('a part');
    setImmediate(() => late.abort());
  });
  await expect(ask(url, {}, { signal: late.signal })).rejects.toMatchObject({ code: 'transport' });
});

it('reads no more than 8 MiB of an answer that does not end', async () => {
  const piece = Buffer.alloc(1024 * 1024);
  const url = await serve((_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write(piece));
      response.once('drain', more);
    };
    more();
  });
  await expect(ask(url, {})).rejects.toMatchObject({ code: 'too_large' });
});
