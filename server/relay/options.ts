import type { IncomingMessage } from 'node:http';
import type { Log } from '#base/log';
import type { RelayBus } from './bus.ts';
import type { JoinEvent, Person, SessionEvent } from './events.ts';
import type { HeartbeatTimes } from './heartbeat.ts';
import type { Recorder } from './recorder.ts';
import type { Recalled, SessionFacts } from './session-facts.ts';
import type { Speaker } from './uses.ts';

/** What the relay needs of a server: it knows nothing of tokens, tables or express itself. */
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
