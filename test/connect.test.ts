import { afterEach, describe, expect, it } from 'vitest';
import { pack } from '#proto';
import { TokenService } from '../connect/bus.testing.ts';
import { Package, TestDevice, type DeviceOptions } from './stage/device.ts';
import { RawServer, structure, text, type Peer } from './stage/peer.ts';

const open: AsyncDisposable[] = [];
const using = <T extends AsyncDisposable>(thing: T): T => (open.push(thing), thing);
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing[Symbol.asyncDispose]();
});

const fast = { first: 50, ceiling: 100 };
async function start(options: DeviceOptions = {}, path = '') {
  const server = using(await RawServer.start());
  const device = using(await TestDevice.start('one', server.url + path, { times: fast, ...options }));
  return { server, device };
}
/** A device that is connected, and the server's end of its socket. */
async function connected(options: DeviceOptions = {}) {
  const { server, device } = await start(options);
  return { server, device, far: await server.peer() };
}

describe('the socket', () => {
  it('B-12 goes to the host of the URL with the token, and offers no subprotocol and no compression', async () => {
    const { server } = await start({}, '/some/path');
    await server.peer();
    const { url, headers } = server.requests[0]!;
    expect(url).toBe('/api/devices/v1/deviceconnect/connect');
    expect(headers.authorization).toBe('Bearer device-one');
    expect(headers['sec-websocket-protocol']).toBeUndefined();
    expect(headers['sec-websocket-extensions']).toBeUndefined();
  });

  it('B-14 pings, and is given up and made again when the server is silent', async () => {
    const { server, far } = await connected({ times: { ...fast, ping: 100, dead: 300 } });
    await far.until('pings', () => far.pings.length >= 2);
    far.socket.pause();
    await server.peer(1);
  });

  it('B-15 answers a ping with its payload', async () => {
    const { far } = await connected();
    far.socket.ping('60');
    await far.until('the pong', () => far.pongs.includes('60'));
  });

  it('B-16 takes a message of 8192 bytes', async () => {
    const { far } = await connected();
    const body = Buffer.alloc(8192 - 30);
    far.send({ proto: 12345, typ: 'x', sid: 's' }, body);
    await far.next({ proto: 0xffff, typ: 'error' });
  });

  it('B-16 closes with 1009 beyond its limit, and connects again', async () => {
    const { server, far } = await connected();
    far.socket.send(Buffer.alloc(1024 * 1024 + 1));
    expect((await far.end()).code).toBe(1009);
    await server.peer(1);
  });

  it('B-17 sends no message above 8192 bytes, however much a shell writes at once', async () => {
    const { far } = await connected({ settings: { ShellCommand: '/bin/sh', ShellArguments: [] } });
    far.send({ proto: 1, typ: 'new', sid: 's' });
    await far.next({ typ: 'new' });
    far.send({ proto: 1, typ: 'shell', sid: 's' }, 'head -c 500000 /dev/zero | tr "\\0" x; exit\r');
    await far.next({ typ: 'stop', sid: 's' });
    expect(Buffer.concat(far.raw).length).toBeGreaterThan(500_000);
    expect(Math.max(...far.raw.map(({ length }) => length))).toBeLessThanOrEqual(8192);
  });

  it('B-18 connects again after a frame that is no message', async () => {
    const { server, far } = await connected();
    far.socket.send(Buffer.from('c1', 'hex'));
    expect((await far.end()).code).toBe(1007);
    await server.peer(1);
  });

  it('A-11 a text frame is read as a binary one', async () => {
    const { far } = await connected();
    far.socket.send('no message', { binary: false });
    expect((await far.end()).code).toBe(1007);
  });

  it.each([401, 404, 500])('B-19 goes on trying after %s, and is connected when the server is well', async (status) => {
    const server = using(await RawServer.start());
    server.refuse = status;
    using(await TestDevice.start('one', server.url, { times: fast }));
    await server.asked(3);
    server.refuse = undefined;
    const before = server.requests.length;
    await server.asked(before + 1);
  });

  it('TERM-14 as it ships it is back within 20 s of a server that was away', async () => {
    const { server, far } = await connected({ times: {} });
    server.refuse = 503;
    far.socket.terminate();
    await server.asked(2, 20_000);
    server.refuse = undefined;
    await server.asked(3, 20_000);
    server.peers[1]!.send({ proto: 0xffff, typ: 'ping', sid: 's' });
    await server.peers[1]!.next({ typ: 'pong' });
  }, 60_000);

  it('B-19 waits longer after each failure, within a ceiling, and never in step', async () => {
    const server = using(await RawServer.start());
    server.refuse = 500;
    using(await TestDevice.start('one', server.url, { times: { first: 100, ceiling: 400 } }));
    const start = performance.now();
    await server.asked(8);
    // At most 100 + 200 + 400 × 5: each wait is a random share of its ceiling.
    expect(performance.now() - start).toBeLessThan(4000);
  });
});

describe('the authorization', () => {
  it('B-20 a new token or server is taken at once; the same again changes nothing', async () => {
    const { server, device, far } = await connected();
    device.service!.repeat();
    device.service!.announce('device-two', server.url);
    await server.asked(2, 5000);
    expect(server.requests[1]!.headers.authorization).toBe('Bearer device-two');
    expect((await far.end()).code).toBe(1000);
    const other = using(await RawServer.start());
    device.service!.announce('device-two', other.url);
    await other.peer(0, 5000);
    expect(server.requests).toHaveLength(2);
  });

  it('a word of the client, were it the same as before, ends the wait for the next attempt', async () => {
    const server = using(await RawServer.start());
    server.refuse = 503;
    const device = using(await TestDevice.start('one', server.url, { times: { first: 60_000, ceiling: 60_000 } }));
    await server.asked(1);
    server.refuse = undefined;
    device.service!.repeat();
    await server.asked(2, 5000);
  });

  it('B-21 TERM-13 without a token shells are ended and nothing is dialled; the same token later is good again', async () => {
    const { server, device, far } = await connected();
    far.send({ proto: 1, typ: 'new', sid: 's' });
    await far.next({ typ: 'new' });
    far.send({ proto: 1, typ: 'shell', sid: 's' }, 'echo pid=$$\r');
    let output = '';
    while (!/pid=(\d+)/.test(output)) output += text(await far.next({ typ: 'shell' }));
    const pid = Number(/pid=(\d+)/.exec(output)![1]);
    device.service!.announce('', '');
    await far.end();
    await gone(pid);
    expect(server.requests).toHaveLength(1);
    device.service!.announce('device-one', server.url);
    await server.peer(1);
  });

  it('B-22 the client may come late', async () => {
    const { server, device } = await start({ alone: true });
    const service = await TokenService.start(device.bus.address, 'device-late', server.url);
    device.service = service;
    await server.peer();
    expect(server.requests[0]!.headers.authorization).toBe('Bearer device-late');
  });

  it('B-22 the client may restart, under another unique name', async () => {
    const { server, device } = await connected();
    device.service![Symbol.dispose]();
    device.service = await TokenService.start(device.bus.address, 'device-again', server.url);
    await server.peer(1);
    expect(server.requests[1]!.headers.authorization).toBe('Bearer device-again');
  });

  it('ask-46 D-Bus may restart under both', async () => {
    const { server, device, far } = await connected();
    device.service![Symbol.dispose]();
    await device.bus.down();
    await device.bus.up();
    expect(far.closed).toBeUndefined();
    device.service = await TokenService.start(device.bus.address, 'device-new', server.url);
    await server.peer(1);
    expect(server.requests[1]!.headers.authorization).toBe('Bearer device-new');
  });
});

describe('sessions', () => {
  it('C-24 open is accepted in version 1, with the protocols that there are', async () => {
    const { far } = await connected();
    far.send({ proto: 0xffff, typ: 'open', sid: 's' }, pack({ versions: [1] }));
    const { hdr, ...accept } = await far.next();
    expect(hdr).toEqual({ proto: 0xffff, typ: 'accept', sid: 's' });
    expect(structure({ hdr, ...accept })).toEqual({ version: 1, protocols: [1] });
  });

  it.each([
    ['C-24 another version', pack({ versions: [2, 3] }), 'handshake rejected: require version 1'],
    ['C-25 no body', undefined, 'failed to decode handshake request: '],
    ['C-25 garbage', Buffer.from('c1', 'hex'), 'failed to decode handshake request: '],
  ])('%s is refused', async (_, body, err) => {
    const { far } = await connected();
    far.send({ proto: 0xffff, typ: 'open', sid: 's' }, body);
    const error = structure(await far.next({ typ: 'error', sid: 's' }));
    expect(error['close']).toBe(true);
    expect(error['err']).toContain(err);
  });

  it('C-26 a ping is answered; an unknown word of control is an error that ends nothing', async () => {
    const { far } = await connected();
    far.send({ proto: 0xffff, typ: 'ping', sid: 's' });
    expect((await far.next()).hdr).toEqual({ proto: 0xffff, typ: 'pong', sid: 's' });
    far.send({ proto: 0xffff, typ: 'dance', sid: 's' });
    expect(structure(await far.next({ typ: 'error' }))).toMatchObject({
      err: "session: control type message not understood: 'dance'",
      close: false,
    });
  });

  it('C-27 TERM-17 an unknown protocol is named, with the message that it came with, and other sessions go on', async () => {
    const { far } = await connected();
    far.send({ proto: 1, typ: 'new', sid: 'other' });
    await far.next({ typ: 'new', sid: 'other' });
    far.send({ proto: 12345, typ: 'hello', sid: 's', props: { msgid: 'm1' } });
    expect(structure(await far.next({ proto: 0xffff, typ: 'error' }))).toEqual({
      err: 'no handler registered for protocol: 0x3039',
      close: false,
      msgproto: 12345,
      msgtype: 'hello',
      msgid: 'm1',
    });
    far.send({ proto: 0xffff, typ: 'ping', sid: 's' });
    await far.next({ typ: 'pong' });
    far.send({ proto: 1, typ: 'shell', sid: 'other' }, 'echo $((6*7))\r');
    for (let seen = ''; !/^42\r/m.test(seen);) seen += text(await far.next({ typ: 'shell', sid: 'other' }));
  });

  it('C-29 a silent session is asked, and then ended', async () => {
    const { far } = await connected({ times: { ...fast, ask: 150, end: 300 } });
    far.send({ proto: 0xffff, typ: 'open', sid: 's' }, pack({ versions: [1] }));
    await far.next({ typ: 'accept' });
    await far.next({ typ: 'ping', sid: 's' });
    far.send({ proto: 0xffff, typ: 'pong', sid: 's' });
    await far.next({ typ: 'ping', sid: 's' });
    const error = structure(await far.next({ typ: 'error', sid: 's' }));
    expect(error).toEqual({ err: 'session timeout', close: true });
  });
});

describe('a session that the server pauses', () => {
  async function shell() {
    const { server, far } = await connected({ settings: { ShellCommand: '/bin/sh', ShellArguments: [] } });
    far.send({ proto: 1, typ: 'new', sid: 's' });
    await far.next({ typ: 'new' });
    const sees = async (what: string, peer = far): Promise<void> => {
      for (let seen = ''; !seen.includes(what);) seen += text(await peer.next({ typ: 'shell', sid: 's' }));
    };
    far.send({ proto: 1, typ: 'shell', sid: 's' }, 'stty -echo; echo rea""dy\r');
    await sees('ready\r\n');
    return { server, far, sees };
  }
  const type = (peer: Peer, keys: string): void => peer.send({ proto: 1, typ: 'shell', sid: 's' }, keys);
  const settled = async (peer: Peer): Promise<void> => {
    peer.send({ proto: 0xffff, typ: 'ping', sid: 'other' });
    await peer.next({ typ: 'pong', sid: 'other' });
  };

  it('says nothing until it may go on, and then all of it, to its last word', async () => {
    const { far, sees } = await shell();
    far.send({ proto: 0xffff, typ: 'pause', sid: 's' });
    type(far, 'echo one; exit 5\r');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await settled(far);
    expect(far.frames.filter(({ hdr }) => hdr.sid === 's' && hdr.proto === 1)).toEqual([]);
    far.send({ proto: 0xffff, typ: 'resume', sid: 's' });
    await sees('one');
    expect((await far.next({ typ: 'stop', sid: 's' })).hdr.props).toMatchObject({ exit_code: 5n });
  });

  it('answers a stop when it may go on', async () => {
    const { far } = await shell();
    far.send({ proto: 0xffff, typ: 'pause', sid: 's' });
    far.send({ proto: 1, typ: 'stop', sid: 's' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    far.send({ proto: 0xffff, typ: 'resume', sid: 's' });
    expect((await far.next({ typ: 'stop', sid: 's' })).hdr.props).toEqual({ status: 1n });
  });

  it('goes on over a new link, on which nobody paused it', async () => {
    const { server, far, sees } = await shell();
    far.send({ proto: 0xffff, typ: 'pause', sid: 's' });
    await settled(far);
    far.socket.terminate();
    const again = await server.peer(1);
    type(again, 'echo on""e\r');
    await sees('one', again);
  });
});

describe('add-ons of third parties', () => {
  const manifest = `export default { api: 1, id: 'echo', halves: ['device'],
    protocol: { number: 0x8001, messages: { say: { body: { type: 'object', required: ['words'], properties: { words: { type: 'string' } } } }, wait: {}, fail: {} } },
    config: { type: 'object', properties: { Greeting: { type: 'string', default: 'hello' } } } };`;
  const device = `export default (_device, config) => ({
    async serve(session) {
      for await (const message of session) {
        if (message.typ === 'fail') throw new Error('on purpose');
        if (message.typ === 'wait') await new Promise((resolve) => session.signal.addEventListener('abort', resolve));
        else session.send({ typ: 'say', body: { words: config.Greeting + ' ' + message.body.words + ' from ' + session.userId } });
      }
    },
  });`;
  const say = { proto: 0x8001, typ: 'say', sid: 's', props: { user_id: 'ann' } };

  async function echo(modules: Record<string, string> = {}, settings: Record<string, unknown> = {}) {
    const folder = using(await Package.write('@acme/addon-echo', { manifest, device, ...modules }));
    return await connected({
      addons: ['terminal', folder.name],
      file: folder.config,
      settings,
      times: { ...fast, stall: 300 },
    });
  }

  it('C-28 answer without a handshake, with their own configuration', async () => {
    const { far } = await echo({}, { echo: { greeting: 'ahoy' } });
    far.send(say, pack({ words: 'world' }));
    expect(structure(await far.next({ typ: 'say' }))).toEqual({ words: 'ahoy world from ann' });
    far.send({ proto: 0xffff, typ: 'open', sid: 't' }, pack({ versions: [1] }));
    expect(structure(await far.next({ typ: 'accept' }))['protocols']).toEqual([1, 0x8001]);
  });

  it('get no message of another shape', async () => {
    const { far } = await echo();
    far.send(say, pack({ words: 5 }));
    expect(structure(await far.next({ proto: 0xffff }))).toMatchObject({
      close: false,
      msgproto: 0x8001,
      msgtype: 'say',
    });
  });

  it('that fail at work cost their session only', async () => {
    const { far } = await echo();
    far.send({ proto: 0x8001, typ: 'fail', sid: 's' });
    expect(structure(await far.next({ typ: 'error' }))).toEqual({ err: 'internal error', close: true });
    far.send({ ...say, sid: 't' }, pack({ words: 'again' }));
    await far.next({ typ: 'say', sid: 't' });
  });

  it('that fail when they are told something take nobody with them', async () => {
    const told = `(device, config) => {
      const fail = () => { throw new Error('on purpose'); };
      device.onLink(fail);
      device.onNews(fail);
      return half(device, config);
    }`;
    const { far } = await echo({
      device: `${device.replace('export default', 'const half =')} export default ${told};`,
    });
    far.send({ proto: 0xffff, typ: 'news' }, pack({ addon: 'echo' }));
    far.send(say, pack({ words: 'world' }));
    await far.next({ typ: 'say' });
    expect(far.closed).toBeUndefined();
  });

  it('that fail when their session is told of its link cost that session only', async () => {
    const fails = `session.onLink(() => { throw new Error('on purpose'); });`;
    const { far } = await echo({ device: device.replace('for await', `${fails} for await`) });
    far.send({ ...say, proto: 0xffff, typ: 'attach' }, pack({ received: 0, fresh: true }));
    await far.next({ typ: 'attached' });
    far.send({ ...say, seq: 1 }, pack({ words: 'world' }));
    await far.next({ typ: 'say' });
    far.send({ ...say, proto: 0xffff, typ: 'suspend' }, pack({}));
    expect(structure(await far.next({ typ: 'error', sid: 's' }))).toEqual({ err: 'internal error', close: true });
    far.send({ ...say, sid: 't' }, pack({ words: 'again' }));
    await far.next({ typ: 'say', sid: 't' });
  });

  it.each([
    ['a manifest of another contract', { manifest: manifest.replace('api: 1', 'api: 2') }, {}],
    ['a protocol that is taken', { manifest: manifest.replace('0x8001', '1') }, {}],
    ['a module that throws', { device: 'throw new Error("no such chip");' }, {}],
    ['a configuration of the wrong shape', {}, { Echo: { Greeting: 5 } }],
  ])('with %s cost their own feature only', async (_, modules, settings) => {
    const { far } = await echo(modules, settings);
    far.send({ proto: 0xffff, typ: 'open', sid: 's' }, pack({ versions: [1] }));
    expect(structure(await far.next({ typ: 'accept' }))['protocols']).toEqual([1]);
  });

  it('C-30 are told when the peer closes the session, and may begin anew', async () => {
    const { far } = await echo();
    far.send({ proto: 0x8001, typ: 'wait', sid: 's' });
    far.send({ proto: 0xffff, typ: 'close', sid: 's' });
    far.send(say, pack({ words: 'again' }));
    await far.next({ typ: 'say' });
  });

  it('C-31 one that is stuck does not delay another session', async () => {
    const { far } = await echo();
    far.send({ proto: 0x8001, typ: 'wait', sid: 'stuck' });
    far.send({ ...say, sid: 'free' }, pack({ words: 'x' }));
    await far.next({ typ: 'say', sid: 'free' });
  });

  it('that take nothing lose the session; the socket goes on', async () => {
    const { far } = await echo();
    far.send({ proto: 0x8001, typ: 'wait', sid: 'stuck' });
    const words = 'x'.repeat(4000);
    for (let i = 0; i < 400; i++) far.send({ ...say, sid: 'stuck' }, pack({ words }));
    far.send({ ...say, sid: 'free' }, pack({ words: 'y' }));
    expect(structure(await far.next({ typ: 'error', sid: 'stuck' }))).toEqual({
      err: 'the device does not take the input',
      close: true,
    });
    await far.next({ typ: 'say', sid: 'free' });
  });
});

/** Waits for the end of a process that is no child of ours. */
async function gone(pid: number): Promise<void> {
  for (let i = 0; i < 500; i++) {
    try {
      process.kill(pid, 0);
    } catch {
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`process ${pid} is still there`);
}
