import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Log } from '#base/log';
import {
  encode,
  extensionsHeader,
  flowExtension,
  frameLimit,
  framesExtension,
  hasExtension,
  type ProtoMsg,
} from '#proto';
import { HttpError, notFound } from '../errors.ts';
import type { DeviceEnd, RelayBus, SessionEnd } from './bus.ts';
import { DeviceSocket } from './device.ts';
import { Heartbeat, type HeartbeatTimes } from './heartbeat.ts';
import { refuse, refusalOf } from './refusal.ts';
import { UserSocket, type SessionFacts } from './user.ts';

export const deviceSocketPath = '/api/devices/v1/deviceconnect/connect';
const userSocketPath = /^\/api\/management\/v1\/deviceconnect\/devices\/([^/]{1,128})\/connect$/;

/** What the relay tells the audit log. `request` is that of the upgrade. */
export interface SessionEvent {
  readonly type: 'opened' | 'closed';
  readonly session: SessionFacts;
  readonly request: { readonly id: string; readonly address: string; readonly userAgent?: string | undefined };
}

/** Who opened a management socket. */
export interface Person {
  readonly userId: string;
  /** The login that he came with: his session ends with it. */
  readonly tokenId: string;
  /** Names of the rights on this device that he has: the session ends when one of them is taken away. */
  readonly rights: readonly string[];
  /** Why he may not use this protocol with the device; undefined: he may. */
  refuses(proto: number): string | undefined;
}

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
    const known = [flowExtension, framesExtension].filter((name) => hasExtension(req.headers[extensionsHeader], name));
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
      largeFrames: hasExtension(asked, framesExtension),
      patience,
      closed: deviceClosed,
    });
    // The newest socket wins: the older one may be half open and never say so (ask-2, H-66).
    bus.joinDevice(device)?.close(1008, 'replaced by a newer connection');
    log.info('device connected', { device: deviceId, connection: device.connection });
    options.onConnected(deviceId, device.connection);
  }

  function deviceClosed({ deviceId, connection }: DeviceSocket, current: boolean): void {
    log.info('device disconnected', { device: deviceId, connection, replaced: !current });
    if (current) options.onDisconnected(deviceId, connection);
  }

  async function upgradeUser(req: IncomingMessage, socket: Duplex, head: Buffer, deviceId: string): Promise<void> {
    const person = await options.authorizeUser(req, deviceId);
    const { userId, tokenId, rights } = person;
    checkOrigin(req, options.hostOf?.(req) ?? req.headers.host, options.allowedOrigins ?? []);
    let device = connectedDevice(deviceId);
    if (count(deviceId) >= sessionsPerDevice)
      throw new HttpError('too_many_requests', `too many sessions with this device, at most ${sessionsPerDevice}`);
    const address = options.addressOf?.(req) ?? req.socket.remoteAddress ?? '';
    const request = { id: requestId(req), address, userAgent: req.headers['user-agent'] };
    const opened = await accept(req, socket, head);
    heartbeat.watch(opened);
    device = connectedDevice(deviceId);
    const audit = (type: SessionEvent['type']) => (session: UserSocket) =>
      options.audit({ type, session: session.facts, request });
    const logClosed = audit('closed');
    const session = new UserSocket(opened, {
      userId,
      tokenId,
      rights,
      device,
      bus,
      log,
      quota: options.sessionQuota ?? 0,
      refuses: (proto) => person.refuses(proto),
      opened: audit('opened'),
      closed: (session) => {
        if (session.facts.kind === undefined) return;
        logClosed(session).catch((error: unknown) =>
          log.error('end of a session not logged', { sid: session.sid, error: String(error) }),
        );
      },
    });
    log.debug('user connected', { sid: session.sid, user: userId, device: deviceId });
  }

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
      socket.once('close', () => reject(new HttpError('bad_request', 'the handshake was broken off')));
      sockets.handleUpgrade(req, socket, head, resolve);
    });
  }

  return {
    /** For the server's `upgrade` event; false: the path is not the relay's. */
    handleUpgrade(req: IncomingMessage, socket: Duplex, head: Buffer): boolean {
      const upgrade = match(req);
      if (!upgrade) return false;
      socket.on('error', () => socket.destroy());
      const { deviceId } = upgrade;
      const done = deviceId === undefined ? upgradeDevice(req, socket, head) : upgradeUser(req, socket, head, deviceId);
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
      if (target.deviceId === undefined) await options.authenticateDevice(req);
      else {
        await options.authorizeUser(req, target.deviceId);
        connectedDevice(target.deviceId);
      }
      return new HttpError('bad_request', 'the client is not using the websocket protocol: upgrade header not found');
    },

    isConnected: (deviceId: string): boolean => bus.device(deviceId) !== undefined,

    sessions: (): SessionFacts[] =>
      [...bus.sessions()].flatMap((session) => (session instanceof UserSocket ? [session.facts] : [])),

    /** Hands a frame to a connected device; false: it is offline. */
    sendToDevice(deviceId: string, message: ProtoMsg): boolean {
      const device = bus.device(deviceId);
      device?.deliver(encode(message));
      return device !== undefined;
    },

    disconnectDevice(deviceId: string, reason: string): void {
      bus.device(deviceId)?.close(1008, reason);
    },

    /** Ends a person's sessions, or those of one of his logins: his rights, or he, are gone. */
    disconnectUser(userId: string, reason: string, tokenId?: string): void {
      for (const session of bus.sessions())
        if (session.userId === userId && (tokenId === undefined || session.tokenId === tokenId)) session.end(reason);
    },

    /** All sessions with devices, those too that the server has in somebody's name. */
    ends: (): Iterable<SessionEnd> => bus.sessions(),

    /** False: there is no such session. */
    endSession(sid: string, reason: string): boolean {
      const session = bus.session(sid);
      session?.end(reason);
      return session !== undefined;
    },

    /** Ends all sockets; new ones are refused from here on. */
    close(): void {
      closing = true;
      for (const session of bus.sessions()) session.end('the server is stopping');
      for (const device of bus.devices()) device.close(1001, 'the server is stopping');
      heartbeat.stop();
    },
  };
}

function match(req: IncomingMessage): { deviceId?: string } | undefined {
  const path = pathOf(req);
  if (path === deviceSocketPath) return {};
  const id = userSocketPath.exec(path)?.[1];
  if (id === undefined) return undefined;
  try {
    return { deviceId: decodeURIComponent(id) };
  } catch {
    return undefined;
  }
}

const pathOf = (req: IncomingMessage): string => (req.url ?? '').split('?', 1)[0] ?? '';

const requestId = (req: IncomingMessage & { requestId?: string }): string => (req.requestId ??= randomUUID());

/**
 * A page of another origin must not open a socket with the cookie that the browser adds by itself (CVE-2022-29555).
 * Whoever sends the token in a header has it from us, and no browser sends one so.
 */
function checkOrigin(req: IncomingMessage, host: string | undefined, allowed: readonly string[]): void {
  const { origin, authorization } = req.headers;
  if (origin === undefined || authorization !== undefined || allowed.includes(origin)) return;
  const own = URL.canParse(origin) ? new URL(origin).host : undefined;
  if (own === undefined || own !== host) throw new HttpError('forbidden', `origin ${origin} may not open this socket`);
}
