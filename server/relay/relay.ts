import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Log } from '#base/log';
import {
  encode,
  control,
  extensionsHeader,
  flowExtension,
  frameLimit,
  framesExtension,
  hasExtension,
  ProtoType,
  newsExtension,
  resumeExtension,
  type ProtoMsg,
  toFrame,
} from '#proto';
import { HttpError, notFound } from '../errors.ts';
import type { DeviceEnd, RelayBus } from './bus.ts';
import { DeviceSocket } from './device.ts';
import { checkOrigin } from './origin.ts';
import { Heartbeat, type HeartbeatTimes } from './heartbeat.ts';
import { refuse, refusalOf } from './refusal.ts';
import type { JoinEvent, Person, SessionEvent, Stand } from './events.ts';
import type { Recorder } from './recorder.ts';
import type { Recalled, SessionFacts } from './session-facts.ts';
import { match, pathOf, type Target } from './target.ts';
import type { SessionUse, Speaker } from './uses.ts';
import { UserSession } from './user-session.ts';

export interface RelayOptions {
  readonly bus: RelayBus;
  readonly log: Log;
  /** Whose socket this is; throws an HttpError: 401, or 400 for the token of somebody who is no device. */
  authenticateDevice(req: IncomingMessage): Promise<{ deviceId: string }>;
  /** Who asks for a session with this device; throws an HttpError: 401, 400, 403, or 404 for an unknown device. */
  authorizeUser(req: IncomingMessage, deviceId: string): Promise<Person>;
  /**
   * A device's socket came or went. `connection` tells sockets of one device apart: a store that other nodes write to
   * as well sets `disconnected` only where it still has this one.
   */
  onConnected(deviceId: string, connection: string): void;
  onDisconnected(deviceId: string, connection: string): void;
  /** Rejects if it cannot be written: the session does not begin then. */
  audit(event: SessionEvent): Promise<void>;
  /** Whose sessions speak a protocol, and what the audit log keeps of them; undefined: nobody's that is known. */
  speaker?(protocol: number): Speaker | undefined;
  /** Somebody sits down at another's terminal. Rejects if it cannot be written: he is not let in then. */
  joined(event: JoinEvent): Promise<void>;
  /** A session that was open when the server stopped, and may go on; undefined: there is none. */
  recall(sid: string): Promise<Recalled | undefined>;
  /** Begins the recording of a terminal, or goes on with it; undefined: none is wanted. Rejects: it must be, and cannot. */
  record(session: SessionFacts): Promise<Recorder | undefined>;
  /** From where a request comes, and by which host the caller reached us; default: as if there were no proxy. */
  addressOf?(req: IncomingMessage): string;
  hostOf?(req: IncomingMessage): string | undefined;
  /** Origins of pages, besides the server's own, that may open management sockets. */
  readonly allowedOrigins?: readonly string[];
  /** Bytes that a device may send in one session; default 0: any number. */
  readonly sessionQuota?: number;
  /** Sessions at a time with one device. */
  readonly sessionsPerDevice?: number;
  readonly heartbeat?: HeartbeatTimes;
  /** How long one slow person may hold up a device that cannot pause a single session, ms. */
  readonly patience?: number;
}

const ours = [flowExtension, framesExtension, newsExtension, resumeExtension];

export type Relay = ReturnType<typeof createRelay>;

/** The sockets of devices and of people, and what joins them. Knows nothing of tokens, tables or express. */
export function createRelay(options: RelayOptions) {
  const { bus, log } = options;
  const heartbeat = new Heartbeat(options.heartbeat);
  const patience = options.patience ?? 10_000;
  const sessionsPerDevice = options.sessionsPerDevice ?? 64;
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: frameLimit,
    clientTracking: false,
  });
  sockets.on('headers', (headers: string[], req: IncomingMessage & { asked?: string }) => {
    if (req.asked) headers.push(`Sec-WebSocket-Protocol: ${req.asked}`);
    const known = ours.filter((name) => hasExtension(req.headers[extensionsHeader], name));
    if (known.length > 0) headers.push(`${extensionsHeader}: ${known.join(', ')}`);
  });
  let closing = false;

  async function upgradeDevice(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const { deviceId } = await options.authenticateDevice(req);
    const opened = await accept(req, socket, head);
    heartbeat.watch(opened);
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

  async function upgradeUser(req: IncomingMessage, socket: Duplex, head: Buffer, target: Target): Promise<void> {
    const { deviceId, session: sid, join } = target;
    const person = await options.authorizeUser(req, deviceId);
    checkOrigin(req, options.hostOf?.(req) ?? req.headers.host, options.allowedOrigins ?? []);
    if (join !== undefined) return await sitAtAnothers(req, socket, head, deviceId, join, person);
    if (sid !== undefined) return await goOn(req, socket, head, deviceId, sid, person);
    connectedDevice(deviceId);
    if (count(deviceId) >= sessionsPerDevice)
      throw new HttpError('too_many_requests', `too many sessions with this device, at most ${sessionsPerDevice}`);
    const opened = await accept(req, socket, head);
    heartbeat.watch(opened);
    const device = connectedDevice(deviceId);
    const resume = hasExtension(req.headers[extensionsHeader] ?? target.extensions, resumeExtension);
    const session = new UserSession({ ...sessionOptions(req), deviceId, person, device, resume });
    session.sit(opened, person);
    log.debug('user connected', { sid: session.sid, user: person.userId, device: deviceId });
  }

  /** A person comes back to his session. Whether he still may was asked as for a new one; now whether it is his. */
  async function goOn(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    deviceId: string,
    sid: string,
    person: Person,
  ): Promise<void> {
    const session = await resumable(req, deviceId, sid, person);
    const opened = await accept(req, socket, head);
    if (bus.session(sid) !== session) return opened.close(1008, 'the session has ended');
    heartbeat.watch(opened);
    session.sit(opened, person);
    log.debug('user is back', { sid, user: person.userId, device: deviceId });
  }

  async function resumable(req: IncomingMessage, deviceId: string, sid: string, person: Person): Promise<UserSession> {
    const mine = (session: { deviceId: string; userId: string } | undefined): boolean =>
      session?.deviceId === deviceId && session.userId === person.userId;
    let known = bus.session(sid);
    if (!known) {
      const recalled = await options.recall(sid);
      // Whoever was quicker has brought it back meanwhile.
      known = bus.session(sid);
      if (!known && recalled && mine(recalled)) {
        const device = bus.device(deviceId);
        const one = { deviceId, person, device: device?.resumes ? device : undefined, resume: true };
        const session = new UserSession({ ...sessionOptions(req), ...one, recalled: { ...recalled, sid } });
        await session.record().catch((error: unknown) => session.end(String(error)));
        known = session;
      }
    }
    if (known instanceof UserSession && known.resumes && mine(known)) return known;
    throw notFound('the session has ended');
  }

  /** A second person at a terminal. */
  async function sitAtAnothers(
    req: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    deviceId: string,
    sid: string,
    person: Person,
  ): Promise<void> {
    const why = person.refuses(ProtoType.Shell);
    if (why !== undefined) throw new HttpError('forbidden', why);
    const session = bus.session(sid);
    if (!(session instanceof UserSession) || session.deviceId !== deviceId || session.facts.kind !== 'terminal')
      throw notFound('there is no such terminal on this device');
    const opened = await accept(req, socket, head);
    heartbeat.watch(opened);
    await options.joined({ session: session.facts, person, request: requestOf(req) });
    if (bus.session(sid) !== session) return opened.close(1008, 'the session has ended');
    session.welcome(opened, person);
  }

  function sessionOptions(req: IncomingMessage) {
    const request = requestOf(req);
    const audit = (type: SessionEvent['type']) => (session: UserSession, use?: SessionUse) =>
      options.audit({ type, session: session.facts, request, ...(use ? { use } : {}) });
    const logClosed = audit('closed');
    return {
      bus,
      log,
      quota: options.sessionQuota ?? 0,
      record: (session: UserSession) => options.record(session.facts),
      speaker: (proto: number) => options.speaker?.(proto),
      opened: audit('opened'),
      used: audit('used'),
      closed(session: UserSession): void {
        if (session.facts.kind === undefined) return;
        logClosed(session).catch((error: unknown) =>
          log.error('end of a session not logged', { sid: session.sid, error: String(error) }),
        );
      },
    };
  }

  const requestOf = (req: IncomingMessage) => ({
    id: requestId(req),
    address: options.addressOf?.(req) ?? req.socket.remoteAddress ?? '',
    userAgent: req.headers['user-agent'],
  });

  function connectedDevice(deviceId: string): DeviceEnd {
    const device = bus.device(deviceId);
    if (!device) throw notFound('failed to connect to device: device disconnected');
    return device;
  }

  function count(deviceId: string): number {
    let n = 0;
    for (const session of bus.sessions()) if (session.deviceId === deviceId) n++;
    return n;
  }

  function accept(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<WebSocket> {
    if (closing) throw new HttpError('unavailable', 'the server is stopping');
    // The reference's subprotocol has a slash, which no header may have: ws would refuse the handshake (H-79).
    const asked = req.headers['sec-websocket-protocol'];
    if (asked === 'protomsg/msgpack') {
      delete req.headers['sec-websocket-protocol'];
      Object.assign(req, { asked });
    }
    return new Promise((resolve, reject) => {
      const broken = (): void => reject(new HttpError('bad_request', 'the handshake was broken off'));
      socket.once('close', broken);
      sockets.handleUpgrade(req, socket, head, (opened) => {
        // It would keep the request, and with it some KiB, as long as the socket lives.
        socket.off('close', broken);
        resolve(opened);
      });
    });
  }

  return {
    /** For the server's `upgrade` event; false: the path is not the relay's. */
    handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean {
      const upgrade = match(req);
      if (!upgrade) return false;
      socket.on('error', destroyed);
      const done = 'device' in upgrade ? upgradeDevice(req, socket, head) : upgradeUser(req, socket, head, upgrade);
      done.catch((error: unknown) => {
        log.info('socket refused', { path: pathOf(req), ...refusalOf(error) });
        refuse(socket, error, requestId(req));
      });
      return true;
    },

    /** For a plain request to a socket's path: what there is to answer, in the order of the reference (§1.1). */
    async refusePlain(req: IncomingMessage): Promise<HttpError> {
      const target = match(req);
      if (!target) return notFound('not found');
      if ('device' in target) await options.authenticateDevice(req);
      else {
        await options.authorizeUser(req, target.deviceId);
        const { session, join } = target;
        const known = session === undefined || bus.session(session) || (await options.recall(session));
        if (!known) throw notFound('the session has ended');
        if (join !== undefined && !bus.session(join)) throw notFound('there is no such terminal on this device');
        if (session === undefined) connectedDevice(target.deviceId);
      }
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
      closing = true;
      for (const session of bus.sessions())
        if (session instanceof UserSession && session.resumes) session.hibernate();
        else session.end('the server is stopping');
      for (const device of bus.devices()) device.close(1001, 'the server is stopping');
      heartbeat.stop();
    },
  };
}

const requestId = (req: IncomingMessage & { requestId?: string }): string => (req.requestId ??= randomUUID());

/** One for all sockets: a closure would keep the request of each. */
function destroyed(this: Duplex): void {
  this.destroy();
}
