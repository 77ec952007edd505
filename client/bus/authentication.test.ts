import dbus, { type MessageBus } from 'dbus-next';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { authentication } from '#proto/dbus';
import { devicePaths } from '#proto/http/device';
import { runClient } from '../daemon.ts';
import { Nudges } from '../nudges.ts';
import { RigBus } from '../rig/bus.ts';
import { RigDevice } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { ScriptedServer } from '../rig/server.ts';

let server: ScriptedServer;
let device: RigDevice;
let bus: RigBus;
let stop: AbortController;
let client: Promise<void>;
let log: RigLog;
const peers: MessageBus[] = [];

beforeEach(async () => {
  server = await ScriptedServer.open();
  device = new RigDevice({ ServerURL: server.url });
  bus = await RigBus.open(device.root);
  process.env['DBUS_SYSTEM_BUS_ADDRESS'] = bus.address;
  stop = new AbortController();
  log = new RigLog();
  client = Promise.resolve();
});
afterEach(async () => {
  for (const peer of peers.splice(0)) peer._connection.stream.destroy();
  stop.abort();
  await client;
  await bus[Symbol.asyncDispose]();
  server.close();
  device[Symbol.dispose]();
});

const start = (nudges = new Nudges()) => {
  client = runClient({ ...device.options(log), nudges }, stop.signal);
};

function peer(): MessageBus {
  const made = dbus.sessionBus({ busAddress: bus.address });
  made.on('error', () => undefined);
  peers.push(made);
  return made;
}
async function call(from: MessageBus, member: string): Promise<unknown[]> {
  const { name: destination, path, interface: iface } = authentication;
  const reply = await from.call(new dbus.Message({ destination, path, interface: iface, member }));
  return reply.body;
}
/** The next token signal. */
async function signals(on: MessageBus): Promise<{ next: () => Promise<unknown[]> }> {
  const seen: unknown[][] = [];
  let wake: (() => void) | undefined;
  on.on('message', (message) => {
    if (message.member !== authentication.tokenStateChange.name) return;
    seen.push(message.body);
    wake?.();
  });
  const rule = `type='signal',interface='${authentication.interface}'`;
  const match = {
    destination: 'org.freedesktop.DBus',
    path: '/org/freedesktop/DBus',
    interface: 'org.freedesktop.DBus',
  };
  await on.call(new dbus.Message({ ...match, member: 'AddMatch', signature: 's', body: [rule] }));
  return {
    next: async () => {
      while (seen.length === 0) await new Promise<void>((resolve) => (wake = resolve));
      return seen.shift() ?? [];
    },
  };
}

describe('io.mender.AuthenticationManager', () => {
  it('UC-11 another program gets token and loopback address, and the signal on each fetch', async () => {
    start();
    await log.until('D-Bus service ready', authentication.name);
    await server.called((request) => request.path === devicePaths.nextV2);
    const other = peer();
    const [token, url] = (await call(other, 'GetJwtToken')) as [string, string];
    expect(token).toBe('token-1');
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    const heard = await signals(other);
    server.token = 'token-2';
    expect(await call(other, 'FetchJwtToken')).toEqual([true]);
    const [next, nextUrl] = (await heard.next()) as [string, string];
    expect(next).toBe('token-2');
    expect(await call(other, 'GetJwtToken')).toEqual(['token-2', nextUrl]);
    expect(nextUrl).not.toBe(url);
    server.accepted = false;
    await call(other, 'FetchJwtToken');
    expect(await heard.next()).toEqual(['', '']);
    expect(await call(other, 'GetJwtToken')).toEqual(['', '']);
  });

  it('before any authorization both texts are empty', async () => {
    server.accepted = false;
    start();
    await log.until('D-Bus service ready', authentication.name);
    expect(await call(peer(), 'GetJwtToken')).toEqual(['', '']);
  });

  it('a bus that restarts gets its name back', async () => {
    start();
    await log.until('D-Bus service ready', authentication.name);
    await server.called((request) => request.path === devicePaths.nextV2);
    await bus[Symbol.asyncDispose]();
    await log.until('D-Bus is gone, reconnecting', authentication.name);
    bus = await RigBus.open(device.root);
    log.lines.length = 0;
    await log.until('D-Bus service ready', authentication.name);
    expect((await call(peer(), 'GetJwtToken'))[0]).toBe('token-1');
  });

  it('without a bus: one clear line, and updating goes on', async () => {
    await bus[Symbol.asyncDispose]();
    start();
    const line = await log.until('no D-Bus service, updating goes on', authentication.name);
    expect(line.fields['error']).toContain('ECONNREFUSED');
    await server.called((request) => request.path === devicePaths.nextV2);
  });

  it('a second client on the bus says that the name is taken', async () => {
    start();
    await log.until('D-Bus service ready', authentication.name);
    using second = new RigDevice({ ServerURL: server.url });
    const otherLog = new RigLog();
    const otherStop = new AbortController();
    const other = runClient(second.options(otherLog), otherStop.signal);
    const line = await otherLog.until('no D-Bus service, updating goes on', authentication.name);
    expect(line.fields['error']).toContain('is taken');
    otherStop.abort();
    await other;
  });
});
