import type { WebSocket } from 'ws';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { control, encode, ProtoType, toFrame, type LooseMessage, type ProtoMsg } from '#proto';
import type { DeviceEnd } from './bus.ts';
import { closeSoon } from './closing.ts';

/** Bytes of output that wait for a person's connection: above the first the device is to pause, below the second to go on. */
const behind = 512 * 1024;
const caughtUp = 128 * 1024;
/** What a person may fall behind at most: a device that does not pause in time costs him the session, not us the memory. */
const lost = 16 * 1024 * 1024;
/** For output that still waits when a session is ended from the server's side, ms. */
const lastWords = 15_000;

/** Why nothing is read from a person just now. */
type Pause = 'device full' | 'device busy' | 'begin';

export interface PersonEndDuties {
  /** A frame of his. */
  heard(data: Buffer): void;
  /** His socket is closed, by this code, and no newer one has taken its place. */
  left(code: number): void;
  /** He falls behind, or has caught up: the device is to wait with this session. */
  hold(yes: boolean): void;
}

/**
 * The person's end of one session: the socket that he has now, or none. What he is told goes out here, and both ways
 * are slowed down here: the device where he falls behind, he where the device does.
 */
export class PersonEnd {
  readonly #sid: string;
  readonly #log: Log;
  readonly #duties: PersonEndDuties;
  #socket: WebSocket | undefined;
  #behind = false;
  readonly #paused = new Set<Pause>();

  constructor(sid: string, log: Log, duties: PersonEndDuties) {
    this.#sid = sid;
    this.#log = log;
    this.#duties = duties;
  }

  /** False: he is away. */
  get here(): boolean {
    return this.#socket !== undefined;
  }

  /** His socket, the first or one after a loss; it takes the place of one that may be half open. */
  sit(socket: WebSocket): void {
    const before = this.#socket;
    this.#socket = socket;
    this.#behind = false;
    this.#paused.clear();
    if (before) closeSoon(before, 1008, 'replaced by a newer connection');
    socket.on('message', (data) => {
      if (socket === this.#socket) this.#duties.heard(data as Buffer);
    });
    const failed = (error: Error): void =>
      this.#log.debug('user socket failed', { sid: this.#sid, error: messageOf(error) });
    socket.on('error', failed);
    socket.once('close', (code) => {
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      this.#written();
      this.#duties.left(code);
    });
  }

  /** A frame of the device. False: he has fallen too far behind. */
  deliver(frame: Uint8Array): boolean {
    const socket = this.#socket;
    if (!socket) return true;
    socket.send(frame, { binary: true }, this.#written);
    const waiting = socket.bufferedAmount;
    if (waiting > lost) return false;
    if (waiting > behind && !this.#behind) {
      this.#behind = true;
      this.#duties.hold(true);
    }
    return true;
  }

  tell(message: LooseMessage): void {
    this.#socket?.send(encode(toFrame(control, message, this.#sid)));
  }

  /** A message of his that goes no further; `code`: as of the REST API, where it is his to see. */
  refuse({ hdr }: ProtoMsg, err: string, code?: number): void {
    const type = hdr.typ ? { msgtype: hdr.typ } : {};
    this.tell({
      typ: 'error',
      body: { err, close: false, ...(code === undefined ? {} : { code }), msgproto: hdr.proto, ...type },
    });
  }

  /** Not his to do: said in the protocol's own words, so that his program shows it (ask-1). */
  forbid(message: ProtoMsg, why: string): void {
    const { hdr } = message;
    if (hdr.proto !== ProtoType.Shell) return this.refuse(message, why, 403);
    const refused = { proto: ProtoType.Shell, typ: hdr.typ ?? 'new', sid: this.#sid, props: { status: 2n } };
    this.#socket?.send(encode({ hdr: refused, body: utf8.encode(why) }));
  }

  /** The device asks for a pause of his input, or something else has to happen first; or not any more. */
  pause(why: Pause, yes: boolean): void {
    if (yes) this.#paused.add(why);
    else this.#paused.delete(why);
    if (this.#paused.size > 0) this.#socket?.pause();
    else this.#socket?.resume();
  }

  /** The device's socket has more than it likes: nothing is read from him until it has room. */
  waitFor(device: DeviceEnd): void {
    if (this.#paused.has('device full')) return;
    this.pause('device full', true);
    void device.drained().then(() => this.pause('device full', false));
  }

  /** The device is gone, and with it whatever he had to wait for. */
  resume(): void {
    this.#paused.clear();
    this.#socket?.resume();
  }

  /** It is over: he gets what still waits for him, and then the message that makes his program leave (mender-cli needs a `stop`, H-67). */
  dismiss(why: string, code: number, shell: boolean): void {
    const stop = { proto: ProtoType.Shell, typ: 'stop', sid: this.#sid, props: { status: 2n } };
    if (shell) this.#socket?.send(encode({ hdr: stop, body: utf8.encode(why) }));
    else this.tell({ typ: 'error', body: { err: why, close: true } });
    this.close(code, why, lastWords);
  }

  /** `patience`: for what still waits for him, ms. */
  close(code: number, why: string, patience?: number): void {
    if (this.#socket) closeSoon(this.#socket, code, why, patience);
  }

  readonly #written = (): void => {
    if (!this.#behind || (this.#socket?.bufferedAmount ?? 0) > caughtUp) return;
    this.#behind = false;
    this.#duties.hold(false);
  };
}

const utf8 = new TextEncoder();
