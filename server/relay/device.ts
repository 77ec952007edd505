import { randomUUID } from 'node:crypto';
import type { WebSocket } from 'ws';
import { messageOf, stackOf } from '#base/errors';
import type { Log } from '#base/log';
import { control, decode, deviceFrameLimit, encode, largeFrameLimit, ProtoType, toFrame } from '#proto';
import type { DeviceEnd, RelayBus, SessionEnd } from './bus.ts';
import { closeSoon } from './closing.ts';

/** Bytes that wait for the kernel: from here on the sources pause, and go on below the other. */
const full = 256 * 1024;
const low = 64 * 1024;

export interface DeviceSocketOptions {
  readonly deviceId: string;
  readonly bus: RelayBus;
  readonly log: Log;
  /** The device can pause one session by itself (`extensionsHeader`). */
  readonly flow: boolean;
  /** The device keeps sessions over the loss of this socket (`resumeExtension`). */
  readonly resumes: boolean;
  /** The device takes large frames (`framesExtension`). */
  readonly largeFrames: boolean;
  /** The device takes control messages `news` (`newsExtension`). */
  readonly news: boolean;
  /** How long one slow person may hold up a device that cannot, ms. */
  readonly patience: number;
  /** The socket is closed; `current`: no newer one had replaced it. */
  readonly closed: (socket: DeviceSocket, current: boolean) => void;
}

/** The socket of one device: gives each of its frames to the session that it names. */
export class DeviceSocket implements DeviceEnd {
  readonly deviceId: string;
  readonly connection = randomUUID();
  readonly frameLimit: number;
  readonly resumes: boolean;
  readonly news: boolean;
  readonly #socket: WebSocket;
  readonly #options: DeviceSocketOptions;
  #waiting: (() => void)[] = [];
  readonly #sessions = new Map<string, SessionEnd>();
  /** Sessions for which the whole socket waits, with the end of that. */
  readonly #held = new Map<SessionEnd, NodeJS.Timeout>();

  constructor(socket: WebSocket, options: DeviceSocketOptions) {
    this.deviceId = options.deviceId;
    this.frameLimit = options.largeFrames ? largeFrameLimit : deviceFrameLimit;
    // What is numbered is never cut, so only a device that takes large frames can be given it.
    this.resumes = options.resumes && options.largeFrames;
    this.news = options.news;
    this.#socket = socket;
    this.#options = options;
    socket.on('message', (data) => {
      try {
        this.#receive(data as Buffer);
      } catch (error) {
        // A fault of ours costs this socket, never the process with everybody else's.
        options.log.error('frame not relayed', { device: this.deviceId, error: stackOf(error) });
        this.close(1011, 'internal error');
      }
    });
    socket.on('error', (error) => options.log.debug('device socket failed', { error: messageOf(error) }));
    socket.once('close', () => this.#closed());
  }

  join(session: SessionEnd): void {
    this.#sessions.set(session.sid, session);
  }

  leave(session: SessionEnd): void {
    this.#sessions.delete(session.sid);
    if (this.#held.has(session)) this.hold(session, false);
  }

  deliver(frame: Uint8Array): boolean {
    this.#socket.send(frame, this.#written);
    return this.#socket.bufferedAmount < full;
  }

  drained(): Promise<void> {
    if (this.#roomy) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  hold(session: SessionEnd, yes: boolean): void {
    if (this.#options.flow) {
      this.deliver(encode(toFrame(control, { typ: yes ? 'pause' : 'resume' }, session.sid)));
      return;
    }
    clearTimeout(this.#held.get(session));
    this.#held.delete(session);
    if (yes) {
      this.#held.set(
        session,
        setTimeout(() => session.end('your connection is too slow for what the device sends'), this.#options.patience),
      );
      this.#socket.pause();
    } else if (this.#held.size === 0) this.#socket.resume();
  }

  close(code: number, reason: string): void {
    closeSoon(this.#socket, code, reason);
    // Whatever the old socket still says would come too late: its sessions are lost from here on.
    this.#loseSessions();
  }

  #receive(data: Buffer): void {
    let message;
    try {
      message = decode(data);
    } catch (error) {
      this.#options.log.warn('device frame not understood', { device: this.deviceId, error: messageOf(error) });
      return this.close(1011, 'internal error');
    }
    const { sid = '', proto, typ } = message.hdr;
    // A device speaks for its own sessions only, whatever ids it knows.
    const session = this.#sessions.get(sid);
    if (!session) {
      // Ours keeps what it does not know to be over; a stock device is told nothing, as by the reference.
      if (sid && this.#options.flow) this.deliver(encode(toFrame(control, { typ: 'close' }, sid)));
      return;
    }
    if (proto === ProtoType.Control && (typ === 'pause' || typ === 'resume')) return session.pause(typ === 'pause');
    session.deliver(message, data);
  }

  #closed(): void {
    for (const timer of this.#held.values()) clearTimeout(timer);
    this.#held.clear();
    this.#release();
    const current = this.#options.bus.leaveDevice(this);
    this.#loseSessions();
    this.#options.closed(this, current);
  }

  /** Sessions belong to the socket on which they began, but for those that may resume: they wait for the next. */
  #loseSessions(): void {
    const lost = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of lost) session.deviceLost(this);
  }

  get #roomy(): boolean {
    return this.#socket.readyState !== this.#socket.OPEN || this.#socket.bufferedAmount < full;
  }

  readonly #written = (): void => {
    if (this.#waiting.length > 0 && this.#socket.bufferedAmount <= low) this.#release();
  };

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
