import { randomBytes } from 'node:crypto';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, expect, it, vi } from 'vitest';
import { silentLog } from '#base/log';
import { TestSession } from '#addon/session.testing';
import device from './device.ts';
import { portForward, type Message } from './protocol.ts';

type Forwards = TestSession<typeof portForward>;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function start(config: { MaxConnections?: number } = {}): Forwards {
  const half = device(
    { ask: () => Promise.reject(new Error('no server')), log: silentLog },
    { Disable: false, MaxConnections: 4096, ...config },
  );
  const session = new TestSession(portForward);
  const served = half.serve!(session);
  closing.push(() => (session.end(), served));
  return session;
}

/** A host in the device's network. */
async function host(serve: (socket: Socket) => void): Promise<{ port: number; server: Server }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    closing.push(() => socket.destroy());
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

const ask = (
  id: string,
  port: number,
  more: { protocol?: string; window?: number; chunk?: number; prompt?: boolean } = {},
): Message => {
  const { protocol = 'tcp', ...props } = more;
  return {
    typ: 'new',
    props: { connection_id: id, ...props },
    body: { remote_host: '127.0.0.1', remote_port: port, protocol },
  };
};
const forward = (id: string, body: Uint8Array): Message => ({ typ: 'forward', props: { connection_id: id }, body });
const ack = (id: string): Message => ({ typ: 'ack', props: { connection_id: id } });
const errorOf = async (session: Forwards) => (await session.answer('error')).body;

it('F-56 PF-1 what is sent to a host comes back, each message acknowledged', async () => {
  const { port } = await host((socket) => socket.pipe(socket));
  const session = start();
  session.tell(ask('c1', port));
  const made = await session.answer('new');
  expect(made.props).toEqual({ connection_id: 'c1' });
  expect(made.body).toEqual({});
  session.tell(forward('c1', Buffer.from('hello')));
  await session.answer('ack');
  expect(Buffer.from((await session.answer('forward')).body).toString()).toBe('hello');
});

it('PF-3 a host other than localhost is dialled from the device, by its address or by its name', async () => {
  const server = createServer((socket) => void socket.end(`you reached ${socket.localAddress}`));
  server.listen(0, '127.0.0.77');
  await once(server, 'listening');
  closing.push(() => server.close());
  const { port } = server.address() as AddressInfo;
  const session = start();
  const dialled = (id: string, remote_host: string): Message => ({
    typ: 'new',
    props: { connection_id: id },
    body: { remote_host, remote_port: port, protocol: 'tcp' },
  });
  session.tell(dialled('c1', '127.0.0.77'));
  await session.answer('new', 'c1');
  expect(Buffer.from((await session.answer('forward', 'c1')).body).toString()).toBe('you reached 127.0.0.77');
  session.tell(dialled('c2', 'no-such-host.invalid'));
  expect((await errorOf(session)).err).toMatch(/^dial tcp.*no-such-host\.invalid/);
});

it.each(['tcp', 'udp'])(
  'PF-9 %s: 600 s without data of the remote host end a connection of a stock peer, whatever is sent to it',
  async (protocol) => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    closing.push(() => vi.useRealTimers());
    const closed = Promise.withResolvers<void>();
    const { port } =
      protocol === 'tcp'
        ? await host(
            (socket) =>
              void socket.on('data', (bytes) => bytes.length > 1 && socket.write(bytes)).on('end', closed.resolve),
          )
        : { port: await udpHost((socket, bytes, to) => bytes.length > 1 && socket.send(bytes, to)) };
    const session = start();
    session.tell(ask('c1', port, { protocol }));
    await session.answer('new');
    vi.advanceTimersByTime(590_000);
    session.tell(forward('c1', Buffer.from('answered')));
    await session.answer('forward');
    vi.advanceTimersByTime(590_000);
    session.tell(forward('c1', Buffer.from('.')));
    await session.answer('ack');
    await session.answer('ack');
    expect(session.said.map(({ typ }) => typ)).toEqual([]);
    vi.advanceTimersByTime(10_000);
    await session.answer('stop', 'c1');
    if (protocol === 'tcp') await closed.promise;
    session.tell(forward('c1', Buffer.from('late')));
    expect((await errorOf(session)).err).toBe('unknown connection');
  },
);

it('PF-9 a connection between our own ends may be quiet for as long as it likes', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  closing.push(() => vi.useRealTimers());
  const { port } = await host((socket) => socket.pipe(socket));
  const session = start();
  session.tell(ask('c1', port, { window: 65_536, chunk: 65_536 }));
  await session.answer('new');
  vi.advanceTimersByTime(24 * 3600_000);
  session.tell(forward('c1', Buffer.from('still here')));
  expect(Buffer.from((await session.answer('forward')).body).toString()).toBe('still here');
});

it('F-57 PF-8 a stock peer has never more than one unacknowledged message before it, of 4096 bytes at most', async () => {
  const sent = randomBytes(100_000);
  const { port } = await host((socket) => void socket.end(sent));
  const session = start();
  let open = 0;
  let most = 0;
  const got: Uint8Array[] = [];
  session.heard = (message) => {
    if (message.typ !== 'forward') return;
    most = Math.max(most, ++open, message.body.length > 4096 ? 99 : 0);
    got.push(message.body);
    // As a slow peer would: the next may only come after this.
    setImmediate(() => {
      open--;
      session.tell(ack('c1'));
    });
  };
  session.tell(ask('c1', port));
  await session.answer('stop');
  expect(most).toBe(1);
  expect(Buffer.concat(got).equals(sent)).toBe(true);
});

it('F-58 surplus and unknown acks change nothing', async () => {
  const { port } = await host((socket) => socket.pipe(socket));
  const session = start();
  session.tell(ask('c1', port));
  await session.answer('new');
  for (let n = 0; n < 5; n++) session.tell(ack('c1'));
  session.tell(ack('c9'));
  expect(await errorOf(session)).toEqual({ err: 'unknown connection', msgtype: 'ack' });
  session.tell(forward('c1', Buffer.from('still here')));
  expect(Buffer.from((await session.answer('forward')).body).toString()).toBe('still here');
});

it('F-59 PF-4 PF-5 PF-6 PF-7 each refusal has the text that clients know', async () => {
  const session = start();
  session.tell({ typ: 'new', props: { connection_id: 'c1' }, body: { remote_port: 80, protocol: 'tcp' } });
  const missing = 'invalid port-forward message: missing connection_id, remote_port or protocol';
  expect(await errorOf(session)).toEqual({ err: missing, msgtype: 'new' });
  session.tell(ask('c1', 80, { protocol: 'sctp' }));
  expect(await errorOf(session)).toEqual({ err: 'unknown protocol: sctp', msgtype: 'new' });
  session.tell(forward('c7', Buffer.from('x')));
  expect(await errorOf(session)).toEqual({ err: 'unknown connection', msgtype: 'forward' });
  const { server, port } = await host(() => undefined);
  server.close();
  session.tell(ask('c1', port));
  expect(await errorOf(session)).toEqual({
    err: `dial tcp 127.0.0.1:${port}: connect: connection refused`,
    msgtype: 'new',
  });
});

it.each(['tcp', 'udp'])(
  'a %s host that the device does not know is named, and others are reached',
  async (protocol) => {
    const { port } = await host((socket) => socket.pipe(socket));
    const session = start();
    // No name that anybody could be asked for.
    const body = { remote_host: 'no..host', remote_port: 80, protocol };
    session.tell({ typ: 'new', props: { connection_id: 'c1' }, body });
    expect(await errorOf(session)).toEqual({ err: `dial ${protocol}: lookup no..host: no such host`, msgtype: 'new' });
    session.tell(ask('c2', port));
    session.tell(forward('c2', Buffer.from('reached')));
    expect(Buffer.from((await session.answer('forward', 'c2')).body).toString()).toBe('reached');
  },
);

it('F-60 a person who stops is answered, and what he sent before has arrived', async () => {
  const arrived = Promise.withResolvers<string>();
  const { port } = await host((socket) => {
    let text = '';
    socket.on('data', (bytes) => (text += bytes.toString()));
    socket.on('end', () => (arrived.resolve(text), socket.end()));
  });
  const session = start();
  session.tell(ask('c1', port));
  session.tell(forward('c1', Buffer.from('last words')));
  session.tell({ typ: 'stop', props: { connection_id: 'c1' } });
  await session.answer('stop');
  expect(await arrived.promise).toBe('last words');
  session.tell({ typ: 'stop', props: { connection_id: 'c1' } });
  expect(await errorOf(session)).toEqual({ err: 'unknown connection', msgtype: 'stop' });
});

it('between our own ends a window is used, and each direction ends by itself', async () => {
  const sent = randomBytes(600_000);
  const { port } = await host((socket) => {
    const got: Buffer[] = [];
    socket.on('data', (bytes: Buffer) => got.push(bytes));
    socket.on('end', () => socket.end(Buffer.concat(got)));
  });
  const session = start();
  session.tell(ask('c1', port, { window: 1_000_000, chunk: 65_536, prompt: true }));
  const { props } = await session.answer('new');
  expect(props).toMatchObject({ grant_window: 1_000_000, grant_chunk: 65_536, grant_prompt: true });
  for (let at = 0; at < sent.length; at += 60_000) session.tell(forward('c1', sent.subarray(at, at + 60_000)));
  let acknowledged = 0;
  while (acknowledged < sent.length) acknowledged = (await session.answer('ack')).props.received ?? 0;
  session.tell({ typ: 'end', props: { connection_id: 'c1' } });
  let got = Buffer.alloc(0);
  while (got.length < sent.length) {
    got = Buffer.concat([got, (await session.answer('forward')).body]);
    session.tell({ typ: 'ack', props: { connection_id: 'c1', received: got.length } });
  }
  await session.answer('stop');
  expect(got.equals(sent)).toBe(true);
  expect(session.said.at(-1)?.typ).toBe('end');
});

it('an earlier build, which acknowledges only when a quarter of its window is used up, is sent all of it', async () => {
  const content = randomBytes(3_000_000);
  const { port } = await host((socket) => void socket.end(content));
  const session = start();
  const window = 1_000_000;
  session.tell(ask('c1', port, { window, chunk: 65_536 }));
  let got = Buffer.alloc(0);
  let told = 0;
  while (got.length < content.length) {
    got = Buffer.concat([got, (await session.answer('forward')).body]);
    if (got.length - told < window / 4) continue;
    told = got.length;
    session.tell({ typ: 'ack', props: { connection_id: 'c1', received: told } });
  }
  expect(got.equals(content)).toBe(true);
});

it('a host that reads nothing stops its own connection only', async () => {
  const { port } = await host((socket) => (socket.pause(), undefined));
  const { port: echo } = await host((socket) => socket.pipe(socket));
  const session = start();
  session.tell(ask('stuck', port, { window: 65_536, chunk: 65_536 }));
  session.tell(ask('alive', echo));
  for (let n = 0; n < 100; n++) session.tell(forward('stuck', Buffer.alloc(60_000)));
  session.tell(forward('alive', Buffer.from('through')));
  expect(Buffer.from((await session.answer('forward', 'alive')).body).toString()).toBe('through');
});

it('more than the window allows ends that connection, so that nobody fills the device', async () => {
  const { port } = await host((socket) => (socket.pause(), undefined));
  const session = start();
  session.tell(ask('c1', port));
  await session.answer('new');
  for (let n = 0; n < 300; n++) session.tell(forward('c1', Buffer.alloc(60_000)));
  expect((await errorOf(session)).err).toBe('more data than the window allows');
});

it('F-61 PF-11 a hundred connections at once keep their bytes apart', async () => {
  const { port } = await host((socket) => socket.pipe(socket));
  const session = start();
  const got = new Map<string, string>();
  const done = Promise.withResolvers<void>();
  session.heard = (message) => {
    const id = message.props.connection_id ?? '';
    if (message.typ !== 'forward') return;
    got.set(id, Buffer.from(message.body).toString());
    session.tell(ack(id));
    if (got.size === 100) done.resolve();
  };
  for (let n = 0; n < 100; n++) {
    session.tell(ask(`c${n}`, port));
    session.tell(forward(`c${n}`, Buffer.from(`text of ${n}`)));
  }
  await done.promise;
  for (let n = 0; n < 100; n++) expect(got.get(`c${n}`)).toBe(`text of ${n}`);
});

it('a device takes only so many connections', async () => {
  const { port } = await host(() => undefined);
  const session = start({ MaxConnections: 1 });
  session.tell(ask('c1', port));
  await session.answer('new');
  session.tell(ask('c2', port));
  expect((await errorOf(session)).err).toContain('too many connections');
});

async function udpHost(serve: (socket: UdpSocket, bytes: Buffer, port: number) => void): Promise<number> {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => serve(socket, bytes, from.port));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closing.push(() => socket.close());
  return socket.address().port;
}

it('F-56 PF-2 datagrams keep their boundaries, and are cut at 4096 bytes for a stock peer', async () => {
  const port = await udpHost((socket, bytes, to) =>
    socket.send(bytes.length === 1 ? Buffer.alloc(5000, 7) : bytes, to),
  );
  const session = start();
  session.tell(ask('u1', port, { protocol: 'udp' }));
  await session.answer('new');
  session.tell(forward('u1', Buffer.from('one')));
  session.tell(forward('u1', Buffer.from('two')));
  expect(Buffer.from((await session.answer('forward')).body).toString()).toBe('one');
  session.tell(ack('u1'));
  expect(Buffer.from((await session.answer('forward')).body).toString()).toBe('two');
  session.tell(ack('u1'));
  session.tell(forward('u1', Buffer.from('!')));
  expect((await session.answer('forward')).body).toHaveLength(4096);
});
