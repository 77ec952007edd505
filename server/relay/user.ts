import { randomUUID } from 'node:crypto';
import type { WebSocket } from 'ws';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { bodyChunk, control, decode, encode, ProtoType, toFrame, type ProtoMsg } from '#proto';
import type { DeviceEnd, RelayBus, SessionEnd } from './bus.ts';
import { closeSoon } from './closing.ts';
import { PortAcks } from './port-acks.ts';

/** Bytes of output that wait for a person's connection: above the first the device is to pause, below the second to go on. */
const behind = 512 * 1024;
const caughtUp = 128 * 1024;
/** What a person may fall behind at most: a device that does not pause in time costs him the session, not us the memory. */
const lost = 16 * 1024 * 1024;
/** For output that still waits when a session is ended from the server's side, ms. */
const lastWords = 15_000;

/** What a session is for, by the first message that says so. */
export type SessionKind = 'terminal' | 'file-transfer' | 'port-forward' | 'other';

export interface SessionFacts {
  readonly sid: string;
  readonly deviceId: string;
  readonly userId: string;
  /** Undefined until its first message that is not of the handshake. */
  readonly kind: SessionKind | undefined;
  readonly openedAt: Date;
  /** When the person last sent something. */
  readonly activeAt: Date;
  /** Bytes of frames, from the device and to it. */
  readonly bytesFromDevice: number;
  readonly bytesToDevice: number;
}

export interface UserSocketOptions {
  readonly userId: string;
  readonly tokenId: string;
  readonly rights: readonly string[];
  readonly device: DeviceEnd;
  readonly bus: RelayBus;
  readonly log: Log;
  /** Bytes of frames that a device may send in one session; 0: any number (H-73). */
  readonly quota: number;
  /** Why this person may not use a protocol with this device; undefined: he may. Asked for every message. */
  readonly refuses: (proto: number) => string | undefined;
  /** Writes the audit log; a session that cannot be logged does not begin. */
  readonly opened: (session: UserSocket) => Promise<void>;
  readonly closed: (session: UserSocket) => void;
}

/** The socket of one person with one device, which is one session: stamps what he sends, hands on what he gets. */
export class UserSocket implements SessionEnd {
  readonly sid = randomUUID();
  readonly #socket: WebSocket;
  readonly #options: UserSocketOptions;
  readonly #acks = new PortAcks();
  readonly #openedAt = new Date();
  #activeAt = this.#openedAt;
  #kind: SessionKind | undefined;
  #fromDevice = 0;
  #toDevice = 0;
  /** A shell was asked for and not yet stopped: whoever goes first, the other is told by a `stop`. */
  #shell = false;
  #behind = false;
  #over = false;
  /** Why nothing is read from the person just now. */
  readonly #paused = new Set<'device full' | 'device busy' | 'audit'>();

  constructor(socket: WebSocket, options: UserSocketOptions) {
    this.#socket = socket;
    this.#options = options;
    options.bus.joinSession(this);
    options.device.join(this);
    socket.on('message', (data) => {
      try {
        this.#receive(data as Buffer);
      } catch (error) {
        // A fault of ours costs this session, never the process with everybody else's.
        options.log.error('message not relayed', { sid: this.sid, error: String((error as Error).stack) });
        this.#finish('internal error');
        closeSoon(socket, 1011, 'internal error');
      }
    });
    socket.on('error', (error) => options.log.debug('user socket failed', { sid: this.sid, error: messageOf(error) }));
    socket.once('close', () => this.#finish('user disconnected'));
  }

  get deviceId(): string {
    return this.#options.device.deviceId;
  }

  get userId(): string {
    return this.#options.userId;
  }

  get tokenId(): string {
    return this.#options.tokenId;
  }

  get rights(): readonly string[] {
    return this.#options.rights;
  }

  get facts(): SessionFacts {
    return {
      sid: this.sid,
      deviceId: this.deviceId,
      userId: this.userId,
      kind: this.#kind,
      openedAt: this.#openedAt,
      activeAt: this.#activeAt,
      bytesFromDevice: this.#fromDevice,
      bytesToDevice: this.#toDevice,
    };
  }

  deliver(message: ProtoMsg, frame: Uint8Array): void {
    if (this.#over) return;
    const { hdr } = message;
    this.#acks.fromDevice(message);
    this.#fromDevice += frame.length;
    this.#socket.send(frame, { binary: true }, this.#written);
    if (hdr.proto === ProtoType.Shell && hdr.typ === 'stop') this.#shell = false;
    const { quota } = this.#options;
    if (quota > 0 && this.#fromDevice >= quota) return this.#exceed('session byte limit exhausted', quotaText);
    const waiting = this.#socket.bufferedAmount;
    if (waiting > lost) return this.end('your connection is too slow for what the device sends');
    if (waiting > behind && !this.#behind) {
      this.#behind = true;
      this.#options.device.hold(this, true);
    }
  }

  pause(yes: boolean): void {
    this.#pause('device busy', yes);
  }

  deviceLost(): void {
    this.#leave('device disconnected', 1000);
  }

  end(reason: string): void {
    if (this.#over) return;
    this.#tellDevice(reason);
    this.#leave(reason, 1008);
  }

  #receive(data: Buffer): void {
    if (this.#over) return;
    this.#activeAt = new Date();
    let message: ProtoMsg;
    try {
      message = decode(data);
    } catch (error) {
      this.#options.log.info('user frame not understood', { sid: this.sid, error: messageOf(error) });
      this.#finish('user disconnected');
      return closeSoon(this.#socket, 1007, messageOf(error));
    }
    const why = this.#options.refuses(message.hdr.proto);
    if (why !== undefined) return this.#forbid(message, why);
    if (this.#kind === undefined && message.hdr.proto !== ProtoType.Control) void this.#begin(message);
    else this.#forward(message);
  }

  /** The first message of substance: from here on it is a session of a kind, and logged before anything happens. */
  async #begin(message: ProtoMsg): Promise<void> {
    this.#kind = kinds.get(message.hdr.proto) ?? 'other';
    this.#pause('audit', true);
    // Frames that had been read already wait as well: order is kept by doing this for each of them.
    this.#logged = this.#options.opened(this);
    try {
      await this.#logged;
    } catch (error) {
      this.#options.log.error('session not logged', { sid: this.sid, error: messageOf(error) });
      return this.#leave('the session could not be written to the audit log', 1011);
    }
    this.#logged = undefined;
    this.#forward(message);
    for (const later of this.#early.splice(0)) this.#forward(later);
    this.#pause('audit', false);
  }

  #logged: Promise<void> | undefined;
  readonly #early: ProtoMsg[] = [];

  #forward(message: ProtoMsg): void {
    if (this.#over) return;
    if (this.#logged) {
      this.#early.push(message);
      return;
    }
    if (!this.#acks.toDevice(message)) return;
    const { hdr, body } = message;
    if (hdr.proto === ProtoType.Shell && hdr.typ === 'new') this.#shell = true;
    if (hdr.proto === ProtoType.Shell && hdr.typ === 'stop') this.#shell = false;
    const stamped = { ...hdr, sid: this.sid, props: { ...hdr.props, user_id: this.userId } };
    const frame = encode({ hdr: stamped, ...(body ? { body } : {}) });
    const { frameLimit } = this.#options.device;
    if (frame.length <= frameLimit) return this.#send(frame);
    // Keystrokes are a stream, so a paste may be cut; any other message is one thing, whole or not at all (H-70).
    const header = frame.length - (body?.length ?? 0);
    if (hdr.proto !== ProtoType.Shell || hdr.typ !== 'shell' || !body || header + bodyChunk > frameLimit)
      return this.#refuse(message, `message too large: ${frame.length} bytes, a device takes ${frameLimit}`);
    for (let at = 0; at < body.length; at += bodyChunk)
      this.#send(encode({ hdr: stamped, body: body.subarray(at, at + bodyChunk) }));
  }

  #send(frame: Uint8Array): void {
    this.#toDevice += frame.length;
    const { device } = this.#options;
    if (device.deliver(frame) || this.#paused.has('device full')) return;
    this.#pause('device full', true);
    void device.drained().then(() => this.#pause('device full', false));
  }

  /** Not his to do: said in the protocol's own words, so that his program shows it (ask-1). */
  #forbid(message: ProtoMsg, why: string): void {
    const { hdr } = message;
    if (hdr.proto !== ProtoType.Shell) return this.#refuse(message, why, 403);
    const refused = { proto: ProtoType.Shell, typ: hdr.typ ?? 'new', sid: this.sid, props: { status: 2n } };
    this.#socket.send(encode({ hdr: refused, body: utf8.encode(why) }));
  }

  #refuse({ hdr }: ProtoMsg, err: string, code?: number): void {
    const type = hdr.typ ? { msgtype: hdr.typ } : {};
    const body = { err, close: false, ...(code === undefined ? {} : { code }), msgproto: hdr.proto, ...type };
    this.#socket.send(encode(toFrame(control, { typ: 'error', body }, this.sid)));
  }

  #exceed(toUser: string, toDevice: string): void {
    this.#tellDevice(toDevice);
    this.#leave(toUser, 1008);
  }

  readonly #written = (): void => {
    if (!this.#behind || this.#socket.bufferedAmount > caughtUp) return;
    this.#behind = false;
    this.#options.device.hold(this, false);
  };

  #pause(why: 'device full' | 'device busy' | 'audit', yes: boolean): void {
    if (yes) this.#paused.add(why);
    else this.#paused.delete(why);
    if (this.#paused.size > 0) this.#socket.pause();
    else this.#socket.resume();
  }

  /** The person's end is over and the device lives: it is told, so that nothing of his is left there (H-69). */
  #tellDevice(why: string): void {
    const { device } = this.#options;
    const props = { status: 2, user_id: this.userId };
    if (this.#shell)
      device.deliver(
        encode({ hdr: { proto: ProtoType.Shell, typ: 'stop', sid: this.sid, props }, body: utf8.encode(why) }),
      );
    device.deliver(encode(toFrame(control, { typ: 'close', props: { user_id: this.userId } }, this.sid)));
  }

  #finish(why: string): void {
    if (this.#over) return;
    this.#tellDevice(why);
    this.#conclude();
  }

  /** Ends it for the person, with the message that makes his program leave (mender-cli needs a `stop`, H-67). */
  #leave(why: string, code: number): void {
    if (this.#over) return;
    const stop = { proto: ProtoType.Shell, typ: 'stop', sid: this.sid, props: { status: 2n } };
    const error = toFrame(control, { typ: 'error', body: { err: why, close: true } }, this.sid);
    const shell = this.#kind === 'terminal' || this.#shell;
    this.#socket.send(encode(shell ? { hdr: stop, body: utf8.encode(why) } : error));
    this.#conclude();
    closeSoon(this.#socket, code, why, lastWords);
  }

  #conclude(): void {
    this.#over = true;
    this.#options.device.leave(this);
    this.#options.bus.leaveSession(this);
    this.#options.closed(this);
  }
}

const quotaText = 'session byte limit exceeded';
const utf8 = new TextEncoder();

const kinds = new Map<number, SessionKind>([
  [ProtoType.Shell, 'terminal'],
  [ProtoType.FileTransfer, 'file-transfer'],
  [ProtoType.PortForward, 'port-forward'],
]);
