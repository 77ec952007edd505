import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Type } from 'typebox';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { WebSocketServer, type WebSocket as Peer } from 'ws';
import { Bytes, control, decode, defineProtocol, encode, toFrame, type LooseMessage, type ProtoMsg } from '#proto';
import { openSession } from './session.ts';

const chat = defineProtocol(0x8001, {
  say: { body: Bytes },
  tell: { props: Type.Object({ number: Type.Integer() }), body: Type.Object({ list: Type.Array(Type.Integer()) }) },
});

let http: Server;
let sockets: WebSocketServer;
let url: string;
beforeEach(async () => {
  http = createServer((_, response) => response.writeHead(404).end());
  sockets = new WebSocketServer({ noServer: true });
  http.on('upgrade', (request, socket, head) => {
    if (request.url === '/refused') socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n');
    else sockets.handleUpgrade(request, socket, head, (peer) => sockets.emit('connection', peer));
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  url = `ws://127.0.0.1:${(http.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const peer of sockets.clients) peer.terminate();
  sockets.close();
  http.close();
  http.closeAllConnections();
  await once(http, 'close');
});

/** A session and the other end of its socket. */
async function pair() {
  const connected = once(sockets, 'connection') as Promise<[Peer]>;
  const session = await openSession({ url: () => url, protocol: chat });
  const [peer] = await connected;
  const frames: ProtoMsg[] = [];
  let wake = () => {};
  peer.on('message', (data) => {
    frames.push(decode(new Uint8Array(data as Buffer)));
    wake();
  });
  const frame = async (): Promise<ProtoMsg> => {
    while (frames.length === 0)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    return frames.shift()!;
  };
  const says = (message: LooseMessage) => peer.send(encode(toFrame(chat, message, 's-1')));
  return { session, peer, frame, says };
}
const bytes = (text: string) => new TextEncoder().encode(text);

it('what is sent arrives as frames of the protocol, under the sid that the server gave', async () => {
  const { session, frame, says } = await pair();
  session.send({ typ: 'say', body: bytes('a') });
  expect(await frame()).toEqual({ hdr: { proto: 0x8001, typ: 'say' }, body: bytes('a') });
  says({ typ: 'say', body: bytes('b') });
  for await (const message of session) {
    expect(message).toEqual({ typ: 'say', props: {}, body: bytes('b') });
    break;
  }
  expect(session.sid).toBe('s-1');
  session.send({ typ: 'say', body: bytes('c') });
  expect((await frame()).hdr.sid).toBe('s-1');
});

it('bytes stay bytes, a structured body is unpacked, and what this page does not know is passed over', async () => {
  const { session, peer, says } = await pair();
  peer.send(encode({ hdr: { proto: 0x8001, typ: 'newer' } }));
  peer.send(encode({ hdr: { proto: 3, typ: 'say' }, body: bytes('of another add-on') }));
  says({ typ: 'say', body: new Uint8Array([0xe2, 0x82]) });
  says({ typ: 'tell', props: { number: 7 }, body: { list: [1, 2] } });
  const seen: LooseMessage[] = [];
  for await (const message of session) if (seen.push(message) === 2) break;
  expect(seen).toEqual([
    { typ: 'say', props: {}, body: new Uint8Array([0xe2, 0x82]) },
    { typ: 'tell', props: { number: 7 }, body: { list: [1, 2] } },
  ]);
});

it('a ping of the device is answered, so that an idle session stays (C-29)', async () => {
  const { peer, frame } = await pair();
  peer.send(encode(toFrame(control, { typ: 'ping' }, 's-1')));
  expect((await frame()).hdr).toMatchObject({ proto: 0xffff, typ: 'pong', sid: 's-1' });
});

it('an error of the device ends the session, and its text is the reason', async () => {
  const { session, peer, says } = await pair();
  says({ typ: 'say', body: bytes('last words') });
  peer.send(encode(toFrame(control, { typ: 'error', body: { err: 'session timeout', close: true } }, 's-1')));
  const seen: LooseMessage[] = [];
  for await (const message of session) seen.push(message);
  expect(seen.map(({ typ }) => typ)).toEqual(['say']);
  expect((session.signal.reason as Error).message).toBe('Session timeout.');
});

it('a reason that the server gives on closing is the one that is shown', async () => {
  const { session, peer } = await pair();
  peer.close(1008, 'your role was taken away');
  for await (const _ of session) expect.unreachable();
  expect((session.signal.reason as Error).message).toBe('Your role was taken away.');
});

it('a line that breaks says so', async () => {
  const { session, peer } = await pair();
  peer.terminate();
  for await (const _ of session) expect.unreachable();
  expect((session.signal.reason as Error).message).toBe('The connection to the server was lost.');
  expect(session.send({ typ: 'say', body: bytes('too late') })).toBe(false);
  await session.drained();
});

it('bytes that are no message end this session and nothing else', async () => {
  const { session, peer } = await pair();
  peer.send(Buffer.from('garbage'));
  for await (const _ of session) expect.unreachable();
  expect((session.signal.reason as Error).message).toMatch(/no message/);
});

it('leaving tells the device and closes the socket', async () => {
  const { session, peer, frame } = await pair();
  const closed = once(peer, 'close');
  session.close();
  expect((await frame()).hdr).toMatchObject({ proto: 0xffff, typ: 'close' });
  expect((await closed)[0]).toBe(1000);
});

it('a full socket says false, and there is room once the other end has read', async () => {
  const { session, peer } = await pair();
  peer.pause();
  // More than what the kernel holds between two sockets of one machine.
  const chunk = new Uint8Array(1024 * 1024);
  const room = Array.from({ length: 48 }, () => session.send({ typ: 'say', body: chunk }));
  expect(room).toContain(false);
  let drained = false;
  const waiting = session.drained().then(() => {
    drained = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(drained).toBe(false);
  peer.resume();
  await waiting;
  expect(session.send({ typ: 'say', body: bytes('x') })).toBe(true);
});

it('a refused upgrade rejects with the reason that was found out', async () => {
  const explain = async () => new Error('Your role does not permit this session.');
  await expect(openSession({ url: () => `${url}/refused`, protocol: chat, explain })).rejects.toThrow('Your role');
});
