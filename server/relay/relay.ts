import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { stackOf } from '#base/errors';
import {
  control,
  encode,
  extensionsHeader,
  flowExtension,
  framesExtension,
  hasExtension,
  newsExtension,
  resumeExtension,
  toFrame,
  type ProtoMsg,
} from '#proto';
import { HttpError, notFound } from '../errors.ts';
import { DeviceSocket } from './device.ts';
import type { Stand } from './events.ts';
import type { RelayOptions } from './options.ts';
import { Reception } from './reception.ts';
import { refuse, refusalOf } from './refusal.ts';
import type { SessionFacts } from './session-facts.ts';
import { match, pathOf } from './target.ts';
import { requestId, Upgrades, type Upgrade } from './upgrades.ts';
import { UserSession } from './user-session.ts';

export type Relay = ReturnType<typeof createRelay>;

/** The sockets of devices and of people, and what joins them. Knows nothing of tokens, tables or express. */
export function createRelay(options: RelayOptions) {
  const { bus, log } = options;
  const patience = options.patience ?? 10_000;
  const upgrades = new Upgrades(options.heartbeat);
  const reception = new Reception(options, upgrades);

  async function admitDevice(upgrade: Upgrade): Promise<void> {
    const { req } = upgrade;
    const { deviceId } = await options.authenticateDevice(req);
    const opened = await upgrades.accept(upgrade);
    const asked = req.headers[extensionsHeader];
    const device = new DeviceSocket(opened, {
      deviceId,
      bus,
      log,
      flow: hasExtension(asked, flowExtension),
      resumes: hasExtension(asked, resumeExtension),
      largeFrames: hasExtension(asked, framesExtension),
      news: hasExtension(asked, newsExtension),
      patience,
      closed: deviceClosed,
    });
    // The newest socket wins: the older one may be half open and never say so (ask-2, H-66).
    bus.joinDevice(device)?.close(1008, 'replaced by a newer connection');
    log.info('device connected', { device: deviceId, connection: device.connection });
    options.onConnected(deviceId, device.connection);
    for (const session of bus.sessionsOf(deviceId)) session.deviceBack(device);
  }

  function deviceClosed({ deviceId, connection }: DeviceSocket, current: boolean): void {
    log.info('device disconnected', { device: deviceId, connection, replaced: !current });
    if (current) options.onDisconnected(deviceId, connection);
  }

  return {
    /** For the server's `upgrade` event; false: the path is not the relay's. */
    handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean {
      const target = match(req);
      if (!target) return false;
      socket.on('error', destroyed);
      const upgrade = { req, socket, head };
      const done = 'device' in target ? admitDevice(upgrade) : reception.admit(upgrade, target);
      done.catch((error: unknown) => {
        const refusal = refusalOf(error);
        const fields = { path: pathOf(req), request: requestId(req) };
        if (refusal.status === 500) log.error('socket not made', { ...fields, error: stackOf(error) });
        else log.info('socket refused', { ...fields, ...refusal });
        refuse(socket, error, requestId(req));
      });
      return true;
    },

    /** For a plain request to a socket's path: what there is to answer, in the order of the reference (§1.1). */
    async refusePlain(req: IncomingMessage): Promise<HttpError> {
      const target = match(req);
      if (!target) return notFound('not found');
      if ('device' in target) await options.authenticateDevice(req);
      else await reception.check(req, target);
      return new HttpError('bad_request', 'the client is not using the websocket protocol: upgrade header not found');
    },

    isConnected: (deviceId: string): boolean => bus.device(deviceId) !== undefined,

    sessions: (): SessionFacts[] => [...bus.sessions()].map(({ facts }) => facts),

    /** Lets guests type at a terminal, or only watch. False: it is not this user's, or is none. */
    share(sid: string, userId: string, typing: boolean): boolean {
      const session = bus.session(sid);
      if (!(session instanceof UserSession) || session.userId !== userId) return false;
      session.share(typing);
      return true;
    },

    /** Hands a frame to a connected device; false: it is offline. */
    sendToDevice(deviceId: string, message: ProtoMsg): boolean {
      const device = bus.device(deviceId);
      device?.deliver(encode(message));
      return device !== undefined;
    },

    /** Tells an add-on of a device that there is something for it; false: the device is offline, or does not know such words. */
    news(deviceId: string, addon: string): boolean {
      const device = bus.device(deviceId);
      if (!device?.news) return false;
      device.deliver(encode(toFrame(control, { typ: 'news', body: { addon } })));
      return true;
    },

    disconnectDevice(deviceId: string, reason: string): void {
      // Nobody is to wait for its return.
      for (const session of bus.sessionsOf(deviceId)) session.end(`the device is ${reason}`);
      bus.device(deviceId)?.close(1008, reason);
    },

    /** Ends a person's sessions, or those of one of his logins: his rights, or he, are gone. */
    disconnectUser(userId: string, reason: string, tokenId?: string): void {
      for (const stand of this.stands())
        if (stand.userId === userId && (tokenId === undefined || stand.tokenId === tokenId)) stand.end(reason);
    },

    /** All that stands on somebody's login and rights: sessions with devices, and places at others' terminals. */
    stands(): Stand[] {
      return [...bus.sessions()].flatMap((session): Stand[] => [
        session,
        ...(session instanceof UserSession ? session.guestStands : []),
      ]);
    },

    /** False: there is no such session. */
    endSession(sid: string, reason: string): boolean {
      const session = bus.session(sid);
      session?.end(reason);
      return session !== undefined;
    },

    /** Ends all sockets; new ones are refused from here on. */
    close(): void {
      upgrades.stop();
      for (const session of bus.sessions())
        if (session instanceof UserSession && session.resumes) session.hibernate();
        else session.end('the server is stopping');
      for (const device of bus.devices()) device.close(1001, 'the server is stopping');
    },
  };
}

/** One for all sockets: a closure would keep the request of each. */
function destroyed(this: Duplex): void {
  this.destroy();
}
