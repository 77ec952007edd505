import { connect } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog } from '#base/log';
import { control, encode, pack, toFrame, unpack } from '#proto';
import { eventually } from './stage/program.ts';
import { Peer, structure, text } from './stage/peer.ts';
import { Reader, startRelay } from './stage/relay-path.ts';

type Server = Awaited<ReturnType<typeof startRelay>>;

const open: AsyncDisposable[] = [];
async function start(options: Parameters<typeof startRelay>[0] = {}): Promise<Server> {
  const server = await startRelay(options);
  open.push(server);
  return server;
}
afterEach(async () => {
  for (const thing of open.splice(0)) await thing[Symbol.asyncDispose]();
});

const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });
const devicePath = '/api/devices/v1/deviceconnect/connect';
const userPath = (id: string): string => `/api/management/v1/deviceconnect/devices/${id}/connect`;

async function device(server: Server, id = 'one', extensions = ''): Promise<Peer> {
  const before = server.presence.length;
  const headers = {
    Authorization: `Bearer device-${id}`,
    ...(extensions ? { 'Patchbay-Extensions': extensions } : {}),
  };
  const peer = await Peer.connect(server.url + devicePath, { headers });
  await server.until('presence', () => server.presence.slice(before).includes(`+${id}`));
  return peer;
}
const user = (server: Server, id = 'one', who = 'ann'): Promise<Peer> =>
  Peer.connect(server.url + userPath(id), bearer(`user-${who}`));

/** A session that has begun: its sid, and both ends. */
async function session(server: Server, extensions = '') {
  const far = await device(server, 'one', extensions);
  const near = await user(server);
  near.send({ proto: 1, typ: 'new' });
  const { hdr } = await far.next({ typ: 'new' });
  return { far, near, sid: hdr.sid! };
}

describe('what a person sends (server-api.md §2.6)', () => {
  it('H-63 A-9 gets the sid of the session and his user id, and nothing else', async () => {
    const server = await start();
    const far = await device(server);
    const near = await user(server);
    near.send({ proto: 1, typ: 'new', sid: 'forged', props: { user_id: 'mallory', terminal_width: 90n } });
    await far.next({ typ: 'new' });
    const wire = unpack(far.raw[0]!) as { hdr: { sid: string } };
    expect(wire).toEqual({
      hdr: {
        proto: 1,
        typ: 'new',
        sid: expect.stringMatching(/^[0-9a-f-]{36}$/),
        props: { user_id: 'ann', terminal_width: 90n },
      },
    });
    far.send({ proto: 1, typ: 'new', sid: wire.hdr.sid, props: { status: 1 } }, 'Shell started');
    expect((await near.next()).hdr).toEqual({ proto: 1, typ: 'new', sid: wire.hdr.sid, props: { status: 1 } });
  });

  it('H-70 a paste of 20 kB reaches the device in order, in frames that it takes', async () => {
    const { far, near } = await session(await start());
    const paste = Buffer.from(Array.from({ length: 20_000 }, (_, i) => 97 + (i % 26)));
    near.send({ proto: 1, typ: 'shell' }, paste);
    let got = Buffer.alloc(0);
    while (got.length < paste.length) got = Buffer.concat([got, (await far.next({ typ: 'shell' })).body!]);
    expect(got.equals(paste)).toBe(true);
    expect(Math.max(...far.raw.map(({ length }) => length))).toBeLessThanOrEqual(8192);
  });

  it('H-70 a large message of another protocol is refused, and the session goes on', async () => {
    const { far, near } = await session(await start());
    near.send({ proto: 2, typ: 'file_chunk', props: { offset: 0n } }, Buffer.alloc(9000));
    const error = structure(await near.next({ proto: 0xffff, typ: 'error' }));
    expect(error).toMatchObject({ close: false, msgproto: 2, msgtype: 'file_chunk' });
    expect(error['err']).toContain('message too large');
    near.send({ proto: 1, typ: 'shell' }, 'still here');
    expect(text(await far.next({ typ: 'shell' }))).toBe('still here');
  });

  it.each([
    ['5 bits', 13],
    ['16 bits', 4096],
    ['32 bits', 65_536],
    ['64 bits', 2n ** 32n + 1n],
  ])('A-7 an offset in %s reaches the device as the int64 that mender-connect insists on', async (_, offset) => {
    const { far, near } = await session(await start());
    near.send({ proto: 2, typ: 'ack', props: { offset } });
    await far.next({ proto: 2, typ: 'ack' });
    const wide = BigInt(offset).toString(16).padStart(16, '0');
    expect(far.raw.at(-1)!.toString('hex')).toContain(`a66f6666736574d3${wide}`);
  });

  it('H-71 an acknowledgement too many, which ends the process of mender-connect, is not forwarded', async () => {
    const { far, near, sid } = await session(await start());
    const props = { connection_id: 'c1' };
    near.send({ proto: 3, typ: 'new', props }, pack({ remote_host: 'h', remote_port: 1, protocol: 'tcp' }));
    await far.next({ proto: 3, typ: 'new' });
    far.send({ proto: 3, typ: 'forward', sid, props }, 'data');
    await near.next({ typ: 'forward' });
    near.send({ proto: 3, typ: 'ack', props });
    near.send({ proto: 3, typ: 'ack', props });
    near.send({ proto: 3, typ: 'ack', props: { connection_id: 'c2' } });
    near.send({ proto: 3, typ: 'stop', props });
    await far.next({ proto: 3, typ: 'stop' });
    expect(far.frames).toHaveLength(1);
    expect(far.frames[0]!.hdr.typ).toBe('ack');
  });

  it('by itself, to be known as alive, is no input of his', async () => {
    const server = await start();
    const { far, near } = await session(server);
    const [before] = server.relay.sessions();
    // A clock of whole milliseconds: what follows would be later.
    await eventually('a later time', async () => Date.now() > before!.activeAt.getTime());
    near.send({ proto: 1, typ: 'pong' });
    near.send({ proto: 0xffff, typ: 'pong' });
    await far.next({ proto: 0xffff, typ: 'pong' });
    expect(server.relay.sessions()[0]!.activeAt).toEqual(before!.activeAt);
    near.send({ proto: 1, typ: 'shell' }, 'x');
    await far.next({ typ: 'shell' });
    expect(server.relay.sessions()[0]!.activeAt.getTime()).toBeGreaterThan(before!.activeAt.getTime());
  });

  it('H-72 that is no message ends his own session only', async () => {
    const server = await start();
    const { far, near } = await session(server);
    const other = await user(server, 'one', 'bob');
    near.socket.send('this is no message');
    expect((await near.end()).code).toBe(1007);
    expect(text(await far.next({ typ: 'stop' }))).toBe('user disconnected');
    await far.next({ proto: 0xffff, typ: 'close' });
    other.send({ proto: 1, typ: 'new' });
    await far.next({ typ: 'new' });
  });

  it('the map that the old page sends as body of a stop is no body', async () => {
    const { far, near } = await session(await start());
    near.socket.send(pack({ hdr: { proto: 1, typ: 'stop', props: {} }, body: {} }));
    expect((await far.next({ typ: 'stop' })).body).toBeUndefined();
  });
});

describe('who may connect (server-api.md §1.8, §2.6)', () => {
  it('H-64 TRB-6 a device that is offline is 404, with the text that programs look for', async () => {
    const server = await start();
    await expect(user(server)).rejects.toThrow(
      /HTTP 404: .*failed to connect to device: device disconnected.*request_id/,
    );
  });

  it('H-65 a token of the wrong kind, or none, is refused before the upgrade', async () => {
    const server = await start();
    await expect(Peer.connect(server.url + devicePath, bearer('user-ann'))).rejects.toThrow('HTTP 401');
    await expect(Peer.connect(server.url + userPath('one'), bearer('device-one'))).rejects.toThrow('HTTP 401');
    await expect(Peer.connect(server.url + userPath('one'))).rejects.toThrow('HTTP 401');
  });

  it('H-65 the cookie of the page is as good as the header', async () => {
    const server = await start();
    await device(server);
    const near = await Peer.connect(server.url + userPath('one'), {
      headers: { Cookie: 'a=b; JWT=user-ann', Origin: server.url },
    });
    near.socket.close();
  });

  it('CVE-2022-29555 a page of another origin cannot open a socket with that cookie', async () => {
    const server = await start();
    await device(server);
    const headers = { Cookie: 'JWT=user-ann', Origin: 'https://evil.example' };
    await expect(Peer.connect(server.url + userPath('one'), { headers })).rejects.toThrow(/HTTP 403.*evil\.example/);
  });

  it('a page of an origin that the administrator allows can', async () => {
    const server = await start({ allowedOrigins: ['https://ops.example'] });
    await device(server);
    const headers = { Cookie: 'JWT=user-ann', Origin: 'https://ops.example' };
    (await Peer.connect(server.url + userPath('one'), { headers })).socket.close();
  });

  it('H-79 a handshake that asks for the subprotocol with the slash succeeds', async () => {
    const server = await start();
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `GET ${devicePath} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer device-one\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: protomsg/msgpack\r\n\r\n',
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    expect(answer.toString()).toMatch(/^HTTP\/1.1 101 [\s\S]*Sec-WebSocket-Protocol: protomsg\/msgpack/);
  });
});

describe('a device (server-api.md §1.8)', () => {
  it('H-66 TRB-9 that connects again replaces its older socket, whose late end changes nothing', async () => {
    const server = await start();
    const first = await device(server);
    const second = await device(server);
    expect(await first.end()).toEqual({ code: 1008, reason: 'replaced by a newer connection' });
    expect(server.relay.isConnected('one')).toBe(true);
    expect(server.presence).toEqual(['+one', '+one']);
    second.socket.close();
    await server.until('offline', () => server.presence.includes('-one'));
    expect(server.relay.isConnected('one')).toBe(false);
  });

  it('H-66 that froze loses its place as well (ask-2)', async () => {
    const server = await start();
    const frozen = await device(server);
    frozen.socket.pause();
    await device(server);
    const near = await user(server);
    near.send({ proto: 1, typ: 'new' });
    expect(server.relay.isConnected('one')).toBe(true);
    frozen.socket.terminate();
  });

  it('H-67 that is lost ends the session with a stop, which terminals wait for, and then cleanly', async () => {
    const { far, near } = await session(await start());
    far.socket.terminate();
    const stop = await near.next({ typ: 'stop' });
    expect(stop.hdr.props).toEqual({ status: 2n });
    expect(text(stop)).toBe('device disconnected');
    expect((await near.end()).code).toBe(1000);
  });

  it('H-68 that came back cannot speak for a session of before; a new one works at once', async () => {
    const server = await start();
    const { far, near, sid } = await session(server);
    far.socket.terminate();
    await near.end();
    const again = await device(server);
    again.send({ proto: 1, typ: 'shell', sid }, 'stale');
    const fresh = await user(server);
    fresh.send({ proto: 1, typ: 'new' });
    const { hdr } = await again.next({ typ: 'new' });
    again.send({ proto: 1, typ: 'shell', sid: hdr.sid! }, 'prompt');
    expect(text(await fresh.next())).toBe('prompt');
  });

  it('cannot speak in a session of another device', async () => {
    const server = await start();
    const { near, sid } = await session(server);
    const other = await device(server, 'two');
    other.send({ proto: 1, typ: 'shell', sid }, 'rm -rf /');
    other.send({ proto: 1, typ: 'stop', sid, props: { status: 2 } });
    await new Promise<void>((resolve) => (other.socket.ping(), other.socket.once('pong', () => resolve())));
    expect(near.frames).toEqual([]);
  });

  it('H-72 that sends what is no message loses its socket, with 1011, and nobody else does', async () => {
    const server = await start();
    const { far, near } = await session(server);
    const other = await device(server, 'two');
    far.socket.send(Buffer.from('c1', 'hex'));
    expect((await far.end()).code).toBe(1011);
    expect(text(await near.next({ typ: 'stop' }))).toBe('device disconnected');
    expect(other.closed).toBeUndefined();
  });

  it('H-80 is pinged, and dropped when it is silent', async () => {
    const server = await start({ heartbeat: { ping: 200, dead: 600 } });
    const alive = await device(server);
    const dead = await device(server, 'two');
    await alive.until('pings', () => alive.pings.length >= 2);
    dead.socket.pause();
    await server.until('the silent one is gone', () => server.presence.includes('-two'));
    await alive.until('more pings', () => alive.pings.length >= 6);
    expect(server.relay.isConnected('one')).toBe(true);
  });

  it('TERM-23 that knows no handshake, and answers none, gives a shell to our own programs', async () => {
    const server = await start();
    const far = await device(server);
    const person = new Reader(await server.open('one', 'ann', { resume: true }));
    const shell = person.start();
    const { hdr } = await far.next({ proto: 1, typ: 'new' });
    far.send({ proto: 1, typ: 'new', sid: hdr.sid!, props: { status: 1 } }, 'Shell started');
    await shell;
    far.send({ proto: 1, typ: 'shell', sid: hdr.sid!, props: { status: 1 } }, 'a prompt');
    await person.shows('a prompt');
    person.session.close();
  });

  it('of ours is told that a session it still has is over; a stock one is told nothing', async () => {
    const server = await start();
    const ours = await device(server, 'one', 'flow');
    ours.send({ proto: 1, typ: 'shell', sid: 'ghost' }, 'x');
    expect((await ours.next()).hdr).toEqual({ proto: 0xffff, typ: 'close', sid: 'ghost' });
  });
});

describe('a person', () => {
  it('H-69 who goes without a stop leaves nothing on the device', async () => {
    const { far, near, sid } = await session(await start());
    near.socket.terminate();
    const stop = await far.next({ proto: 1, typ: 'stop' });
    expect(stop.hdr).toEqual({ proto: 1, typ: 'stop', sid, props: { status: 2, user_id: 'ann' } });
    expect(text(stop)).toBe('user disconnected');
    expect((await far.next({ proto: 0xffff })).hdr).toMatchObject({ typ: 'close', sid });
  });

  it('is told when an administrator ends his session, and the device is', async () => {
    const server = await start();
    const { far, near, sid } = await session(server);
    expect(server.relay.endSession(sid, 'ended by the administrator')).toBe(true);
    expect(text(await near.next({ typ: 'stop' }))).toBe('ended by the administrator');
    expect((await near.end()).code).toBe(1008);
    await far.next({ typ: 'stop' });
    expect(server.relay.endSession(sid, 'again')).toBe(false);
  });

  it('H-73 with a quota is ended when the device has sent so much', async () => {
    const { far, near, sid } = await session(await start({ sessionQuota: 100_000 }));
    for (let i = 0; i < 30; i++) far.send({ proto: 1, typ: 'shell', sid }, Buffer.alloc(4096));
    expect(await near.end()).toEqual({ code: 1008, reason: 'session byte limit exhausted' });
    expect(text(await far.next({ typ: 'stop' }))).toBe('session byte limit exceeded');
  });

  it('opens and closes a session in the audit log, with its kind and its bytes', async () => {
    const server = await start();
    const { near, far, sid } = await session(server);
    near.send({ proto: 1, typ: 'shell' }, 'ls\r');
    await far.next({ typ: 'shell' });
    near.socket.close();
    await server.until('both events', () => server.events.length === 2);
    const [opened, closed] = server.events;
    expect(opened).toMatchObject({
      type: 'opened',
      session: { sid, userId: 'ann', deviceId: 'one', kind: 'terminal' },
    });
    expect(closed!.type).toBe('closed');
    expect(closed!.session.bytesToDevice).toBeGreaterThan(100);
  });

  it('gets no session that cannot be logged', async () => {
    const server = await start({ audit: () => Promise.reject(new Error('disk full')) });
    const far = await device(server);
    const near = await user(server);
    near.send({ proto: 1, typ: 'new' });
    expect((await near.end()).code).toBe(1011);
    expect(far.frames.filter(({ hdr }) => hdr.proto === 1)).toEqual([]);
  });

  it("is refused at somebody's terminal, before the upgrade, when that cannot be logged", async () => {
    const lines: string[] = [];
    const log = { ...silentLog, error: (event: string, fields?: object) => lines.push(event, JSON.stringify(fields)) };
    const server = await start({ log, joined: () => Promise.reject(new Error('disk full')) });
    const { sid } = await session(server);
    const seat = `${server.url}${userPath('one')}?join=${sid}`;
    await expect(Peer.connect(seat, bearer('user-bob'))).rejects.toThrow('HTTP 500: {"error":"internal error"');
    expect(server.relay.sessions().map(({ guests }) => guests)).toEqual([[]]);
    expect(lines).toEqual(['socket not made', expect.stringContaining('disk full')]);
  });

  it('who goes while his session is still being written down is in the log in order, or not at all', async () => {
    const written = Promise.withResolvers<void>();
    const recorded = Promise.withResolvers<undefined>();
    const events: string[] = [];
    const server = await start({
      record: ({ userId }) => (userId === 'bob' ? recorded.promise : Promise.resolve(undefined)),
      audit: async ({ type, session: { userId } }) => {
        if (type === 'opened') await written.promise;
        events.push(`${type} ${userId}`);
      },
    });
    const far = await device(server);
    for (const who of ['bob', 'ann']) {
      const near = await user(server, 'one', who);
      near.send({ proto: 1, typ: 'new' });
      near.socket.close();
      await far.next({ proto: 0xffff, typ: 'close' });
    }
    recorded.resolve(undefined);
    written.resolve();
    await expect.poll(() => events).toEqual(['opened ann', 'closed ann']);
  });

  it('may have only so many sessions with one device', async () => {
    const server = await start({ sessionsPerDevice: 2 });
    await device(server);
    await user(server);
    await user(server);
    await expect(user(server)).rejects.toThrow(/HTTP 429.*too many sessions/);
  });
});

describe('back pressure', () => {
  it('a person who reads slowly makes ours pause his session, and go on when he has caught up', async () => {
    const { far, near, sid } = await session(await start(), 'flow');
    near.socket.pause();
    const body = Buffer.alloc(4096);
    let sent = 0;
    while (!far.frames.some(({ hdr }) => hdr.typ === 'pause')) {
      for (let i = 0; i < 64; i++, sent++) far.send({ proto: 1, typ: 'shell', sid }, body);
      await new Promise((resolve) => setImmediate(resolve));
    }
    near.socket.resume();
    await far.next({ typ: 'resume', sid }, 30_000);
    await near.until('everything', () => near.frames.length === sent, 30_000);
  });

  it('a person who never reads on a stock device loses his session, and others go on', async () => {
    const server = await start({ patience: 300 });
    const { far, near, sid } = await session(server);
    near.socket.pause();
    const other = await user(server, 'one', 'bob');
    other.send({ proto: 1, typ: 'new' });
    const { hdr } = await far.next({ typ: 'new' });
    const body = Buffer.alloc(4096);
    while (!far.frames.some(({ hdr }) => hdr.typ === 'stop' && hdr.sid === sid)) {
      if (far.socket.bufferedAmount < 1e6) for (let i = 0; i < 64; i++) far.send({ proto: 1, typ: 'shell', sid }, body);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    far.send({ proto: 1, typ: 'shell', sid: hdr.sid! }, 'alive');
    expect(text(await other.next({ typ: 'shell' }, 30_000))).toBe('alive');
  });

  it('a device that reads slowly makes the server stop reading the person', async () => {
    const { far, near } = await session(await start());
    far.socket.pause();
    const body = Buffer.alloc(4096);
    const full = async (): Promise<boolean> => {
      for (let i = 0; i < 2000 && near.socket.bufferedAmount < 4e6; i++) {
        for (let k = 0; k < 64; k++) near.send({ proto: 1, typ: 'shell' }, body);
        await new Promise((resolve) => setImmediate(resolve));
      }
      return near.socket.bufferedAmount >= 4e6;
    };
    expect(await full()).toBe(true);
    far.socket.resume();
    await new Promise<void>((resolve) => (near.socket.ping(), near.socket.once('pong', () => resolve())));
  });

  it('a device that asks for a pause of one session gets it', async () => {
    const { far, near, sid } = await session(await start(), 'flow');
    far.socket.send(encode(toFrame(control, { typ: 'pause' }, sid)));
    await new Promise<void>((resolve) => (far.socket.ping(), far.socket.once('pong', () => resolve())));
    near.send({ proto: 1, typ: 'shell' }, 'waits');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(far.frames).toEqual([]);
    far.socket.send(encode(toFrame(control, { typ: 'resume' }, sid)));
    expect(text(await far.next({ typ: 'shell' }))).toBe('waits');
    expect(near.frames).toEqual([]);
  });
});

describe('a terminal that must be recorded and cannot be', () => {
  it('is not opened, and says why in the words of its protocol; nothing of it reaches the device', async () => {
    const server = await start({ record: () => Promise.reject(new Error('the disk of the server is full')) });
    const far = await device(server);
    const near = await user(server);
    near.send({ proto: 1, typ: 'new' });
    const refused = await near.next({ typ: 'new' });
    expect(refused.hdr.props).toEqual({ status: 2n });
    expect(text(refused)).toBe('the disk of the server is full');
    await near.end();
    expect(far.frames).toEqual([]);
    expect(server.events).toEqual([]);
  });

  it('ends where its recording ends', async () => {
    const recorder = {
      seq: 0,
      output(): void {
        throw new Error('the recording of this terminal cannot go on: no space left on device');
      },
      resize: () => undefined,
      close: () => undefined,
    };
    const { far, near, sid } = await session(await start({ record: () => Promise.resolve(recorder) }));
    far.send({ proto: 1, typ: 'shell', sid, props: { status: 1 } }, 'a secret that nobody would have seen');
    expect(text(await near.next({ typ: 'stop' }))).toContain('no space left on device');
    expect(text(await far.next({ typ: 'stop' }))).toContain('cannot go on');
    expect(near.frames.filter(({ hdr }) => hdr.typ === 'shell')).toEqual([]);
  });
});
