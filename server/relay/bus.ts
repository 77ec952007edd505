import type { ProtoMsg } from '#proto';
import type { SessionFacts } from './session-facts.ts';

/** A device's socket, as sessions see it. On another node it is a stand-in with the same duties. */
export interface DeviceEnd {
  readonly deviceId: string;
  /** This socket among all that the device ever had. */
  readonly connection: string;
  /** Bytes of the largest frame that the device takes. */
  readonly frameLimit: number;
  /** It keeps sessions over the loss of a socket (`resumeExtension`). */
  readonly resumes: boolean;
  /** It takes control messages `news` (`newsExtension`). */
  readonly news: boolean;
  /** From here on the session gets the device's frames of its id, and is told when the device is lost. */
  join(session: SessionEnd): void;
  leave(session: SessionEnd): void;
  /** Takes the frame in any case; false: await `drained()` before the next. */
  deliver(frame: Uint8Array): boolean;
  /** There is room, or the socket is gone; never rejects. */
  drained(): Promise<void>;
  /** The person's end of a session falls behind, or has caught up: the device is to wait with that session. */
  hold(session: SessionEnd, yes: boolean): void;
  /** Closes the socket; `reason` is said to the device and, as the device's loss, to its sessions. */
  close(code: number, reason: string): void;
}

/** The person's end of one session, as its device sees it. */
export interface SessionEnd {
  readonly sid: string;
  readonly deviceId: string;
  readonly userId: string;
  readonly tokenId: string;
  /** Names of the rights on its device that it stands on: it ends with any of them. */
  readonly rights: readonly string[];
  /** What lists say of it. */
  readonly facts: SessionFacts;
  /** A frame of the device, decoded and as it came. Never blocks the device: who falls too far behind is ended. */
  deliver(message: ProtoMsg, frame: Uint8Array): void;
  /** The device asks for a pause of this session's input, or for more. */
  pause(yes: boolean): void;
  /** This socket of the device is gone. */
  deviceLost(device: DeviceEnd): void;
  /** The device is there again, by another socket. */
  deviceBack(device: DeviceEnd): void;
  /** Ends it from the server's side; both ends are told. */
  end(reason: string): void;
}

/**
 * Where the two ends of a session find one another. In one process it is this registry and every delivery a function
 * call; between nodes it is one that gives out stand-ins. Each send says at once whether there is room for the next.
 */
export interface RelayBus {
  /** A device's newest socket; gives back the one that it replaces. */
  joinDevice(end: DeviceEnd): DeviceEnd | undefined;
  /** False: it had been replaced already, so the device is not gone. */
  leaveDevice(end: DeviceEnd): boolean;
  device(deviceId: string): DeviceEnd | undefined;
  devices(): Iterable<DeviceEnd>;
  joinSession(end: SessionEnd): void;
  leaveSession(end: SessionEnd): void;
  session(sid: string): SessionEnd | undefined;
  sessions(): Iterable<SessionEnd>;
  sessionsOf(deviceId: string): Iterable<SessionEnd>;
}

/** All devices and sessions of this process. */
export class LocalBus implements RelayBus {
  readonly #devices = new Map<string, DeviceEnd>();
  readonly #sessions = new Map<string, SessionEnd>();
  readonly #ofDevice = new Map<string, Set<SessionEnd>>();

  joinDevice(end: DeviceEnd): DeviceEnd | undefined {
    const before = this.#devices.get(end.deviceId);
    this.#devices.set(end.deviceId, end);
    return before;
  }

  leaveDevice(end: DeviceEnd): boolean {
    return this.#devices.get(end.deviceId) === end && this.#devices.delete(end.deviceId);
  }

  device(deviceId: string): DeviceEnd | undefined {
    return this.#devices.get(deviceId);
  }

  devices(): Iterable<DeviceEnd> {
    return this.#devices.values();
  }

  joinSession(end: SessionEnd): void {
    this.#sessions.set(end.sid, end);
    const siblings = this.#ofDevice.get(end.deviceId) ?? new Set();
    this.#ofDevice.set(end.deviceId, siblings.add(end));
  }

  leaveSession(end: SessionEnd): void {
    if (this.#sessions.get(end.sid) === end) this.#sessions.delete(end.sid);
    const siblings = this.#ofDevice.get(end.deviceId);
    siblings?.delete(end);
    if (siblings?.size === 0) this.#ofDevice.delete(end.deviceId);
  }

  session(sid: string): SessionEnd | undefined {
    return this.#sessions.get(sid);
  }

  sessions(): Iterable<SessionEnd> {
    return this.#sessions.values();
  }

  sessionsOf(deviceId: string): Iterable<SessionEnd> {
    return [...(this.#ofDevice.get(deviceId) ?? [])];
  }
}
