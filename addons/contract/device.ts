import type { Static } from 'typebox';
import type { MessageOf } from '#proto';
import type { CodedError } from '#base/errors';
import type { Log } from '#base/log';
import type { Manifest } from './manifest.ts';
import type { Session } from './session.ts';
export type { Session } from './session.ts';

/** What connect runs. Each promise is a lifetime: when it settles, that is over. */
export interface DeviceHalf<M extends Manifest> {
  /**
   * One call a session; it ends with the promise. A rejection ends that session only. A half without it is switched
   * off: the device does not offer its protocol.
   */
  serve?(session: Session<MessageOf<NonNullable<M['protocol']>>>): Promise<void>;
  /**
   * How this protocol says no to a message that is none of its own, has the wrong shape, or comes while the half is
   * switched off. Without it the host answers with a control error.
   */
  refuse?(typ: string, why: CodedError): MessageOf<NonNullable<M['protocol']>>;
  /** It watches its peer by messages of its own: the host's rule for silent sessions leaves it alone. */
  readonly keepsAlive?: boolean;
  /** Work that no session asks for, such as a monitor. */
  run?(signal: AbortSignal): Promise<void>;
}

/** A question to the server. */
export interface Question {
  /** `GET` unless told. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
}

/** What the server answered. */
export interface Answer {
  readonly status: number;
  /** Whether the status is one of 200 to 299. */
  readonly ok: boolean;
  /** By their names in small letters. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

/** What the device lends its add-ons. */
export interface Device {
  /**
   * Asks the server in the device's name: path below the server's root, authenticated. No redirect is followed. Rejects when there is no
   * answer, and with `too_large` when it is more than 8 MiB.
   */
  ask(path: string, question?: Question): Promise<Answer>;
  readonly log: Log;
  /**
   * Calls with true when the device's socket to the server comes up, and with false when it is lost; gives back how to end
   * that. For work that waits for the server. Absent: the host has no such socket.
   */
  onLink?(listener: (up: boolean) => void): () => void;
  /**
   * Calls when the server half says that it has something (`ServerHost.nudge`): it is asked for then, rather than every so
   * often; gives back how to end that. Absent: the host has no socket. What was said while the link was down is not said again.
   */
  onNews?(listener: () => void): () => void;
}

/** Called once when the add-on is loaded: what its sessions share (a limit, a cache) lives in that closure. */
export type DeviceEntry<M extends Manifest> = (device: Device, config: Static<M['config']>) => DeviceHalf<M>;

export const defineDevice = <M extends Manifest>(_: M, entry: DeviceEntry<M>): DeviceEntry<M> => entry;
