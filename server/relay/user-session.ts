import { randomUUID } from 'node:crypto';
import type { WebSocket } from 'ws';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import {
  control,
  decode,
  encode,
  frozenCode,
  narrow,
  ProtoType,
  toFrame,
  unpack,
  type LooseMessage,
  type ProtoMsg,
} from '#proto';
import type { DeviceEnd, RelayBus, SessionEnd } from './bus.ts';
import { closeSoon } from './closing.ts';
import { Absence } from './absence.ts';
import { Audience } from './audience.ts';
import { Guests } from './guests.ts';
import { PortAcks } from './port-acks.ts';
import type { Person, Stand } from './events.ts';
import type { Recorder } from './recorder.ts';
import type { Recalled, SessionFacts } from './session-facts.ts';
import { ToDevice } from './to-device.ts';
import { Uses, type SessionUse, type Speaker } from './uses.ts';

/** Bytes of output that wait for a person's connection: above the first the device is to pause, below the second to go on. */
const behind = 512 * 1024;
const caughtUp = 128 * 1024;
/** What a person may fall behind at most: a device that does not pause in time costs him the session, not us the memory. */
const lost = 16 * 1024 * 1024;
/** For output that still waits when a session is ended from the server's side, ms. */
const lastWords = 15_000;
/** What a page that was left, or loaded anew, has to come back, seconds. */
const reloadTime = 60;
/** Closing codes by which a person's program says that it will not come back. */
const farewells = new Set([1000, 1003, 1007, 1008, 1009]);

export interface UserSessionOptions {
  readonly deviceId: string;
  readonly person: Person;
  /** Undefined: the device of a session that goes on is not back yet. */
  readonly device: DeviceEnd | undefined;
  /** The person's program asks for a session that outlives its links. */
  readonly resume: boolean;
  /** It began before this server did. */
  readonly recalled?: { readonly sid: string } & Recalled;
  readonly bus: RelayBus;
  readonly log: Log;
  /** Bytes of frames that a device may send in one session; 0: any number (H-73). */
  readonly quota: number;
  /** Begins, or goes on with, the recording of a terminal; undefined: none is wanted. Rejects: it must be, and cannot. */
  readonly record: (session: UserSession) => Promise<Recorder | undefined>;
  /** Writes the audit log; a session that cannot be logged does not begin. */
  readonly opened: (session: UserSession) => Promise<void>;
  readonly used: (session: UserSession, use: SessionUse) => Promise<void>;
  readonly speaker: (proto: number) => Speaker | undefined;
  readonly closed: (session: UserSession) => void;
}

/**
 * One session of one person with one device: stamps what he sends, hands on what he gets. It outlives his socket and
 * the device's where both ends number their messages; all that matters for that is kept by them (`proto/resume.ts`).
 */
export class UserSession implements SessionEnd {
  readonly sid: string;
  readonly deviceId: string;
  readonly #options: UserSessionOptions;
  readonly #acks = new PortAcks();
  readonly #openedAt: Date;
  readonly #absence = new Absence(() => this.end('nobody came back in time'));
  readonly #audience: Audience;
  readonly #toDevice: ToDevice;
  #person: Person;
  #socket: WebSocket | undefined;
  readonly #resumes: boolean;
  /** The two ends have found each other over the sockets that are there now. */
  #attached = false;
  #activeAt = new Date();
  #kind: string | undefined;
  readonly #uses: Uses;
  #fromDevice = 0;
  /** A shell was asked for and not yet stopped: whoever goes first, the other is told by a `stop`. */
  #shell = false;
  #behind = false;
  #over = false;
  /** Why nothing is read from the person just now. */
  readonly #paused = new Set<'device full' | 'device busy' | 'begin'>();

  constructor(options: UserSessionOptions) {
    const { recalled, device } = options;
    this.sid = recalled?.sid ?? randomUUID();
    this.deviceId = options.deviceId;
    this.#options = options;
    this.#person = options.person;
    this.#uses = new Uses(options.speaker);
    this.#openedAt = recalled?.openedAt ?? new Date();
    this.#kind = recalled?.kind;
    this.#shell = recalled?.kind === 'terminal';
    this.#resumes = recalled !== undefined || (options.resume && device?.resumes === true);
    this.#toDevice = new ToDevice(this.sid, device, (end) => this.#waitFor(end));
    const guests = new Guests({
      log: options.log,
      sid: this.sid,
      owner: () => this.#person.name,
      type: (body, userId) => this.#guestTypes(body, userId),
      changed: () => this.#introduce(),
    });
    this.#audience = new Audience(guests, (why) => this.end(why));
    if (recalled) this.#absence.begin('server');
    options.bus.joinSession(this);
    device?.join(this);
  }

  get #device(): DeviceEnd | undefined {
    return this.#toDevice.end;
  }

  get userId(): string {
    return this.#person.userId;
  }

  get tokenId(): string {
    return this.#person.tokenId;
  }

  get rights(): readonly string[] {
    return this.#person.rights;
  }

  get guestStands(): Stand[] {
    return this.#audience.guests.stands(this.deviceId);
  }

  get resumes(): boolean {
    return this.#resumes;
  }

  get facts(): SessionFacts {
    return {
      sid: this.sid,
      deviceId: this.deviceId,
      userId: this.userId,
      userName: this.#person.name,
      kind: this.#kind,
      openedAt: this.#openedAt,
      activeAt: this.#activeAt,
      bytesFromDevice: this.#fromDevice,
      bytesToDevice: this.#toDevice.bytes,
      resumes: this.#resumes,
      waitsFor: this.#socket === undefined ? 'person' : this.#device === undefined ? 'device' : undefined,
      interruptions: this.#absence.list,
      recorded: this.#audience.recorded,
      size: this.#audience.guests.size,
      guests: this.#audience.guests.list,
      shared: this.#audience.guests.typing,
      uses: this.#uses.list,
    };
  }

  /** The person's socket, the first or one after a loss; it takes the place of one that may be half open. */
  sit(socket: WebSocket, person: Person): void {
    const before = this.#socket;
    this.#socket = socket;
    this.#person = person;
    this.#attached = false;
    this.#behind = false;
    this.#paused.clear();
    if (before) closeSoon(before, 1008, 'replaced by a newer connection');
    socket.on('message', (data) => {
      if (socket !== this.#socket) return;
      try {
        this.#receive(data as Buffer);
      } catch (error) {
        // A fault of ours costs this session, never the process with everybody else's.
        this.#options.log.error('message not relayed', { sid: this.sid, error: String((error as Error).stack) });
        this.#finish('internal error');
        closeSoon(socket, 1011, 'internal error');
      }
    });
    const failed = (error: Error): void =>
      this.#options.log.debug('user socket failed', { sid: this.sid, error: messageOf(error) });
    socket.on('error', failed);
    socket.once('close', (code) => this.#closed(socket, code));
    if (!this.#options.resume && !this.#resumes) return;
    const up = this.#device !== undefined;
    this.#tell({ typ: 'session', body: { sid: this.sid, resume: this.#resumes, up } });
    this.#introduce();
  }

  /** Somebody else, who watches this terminal, and types if he may. */
  welcome(socket: WebSocket, person: Person): void {
    this.#audience.guests.add(socket, person);
  }

  /** Guests may type from now on, or may not. */
  share(typing: boolean): void {
    this.#audience.guests.typing = typing;
  }

  deliver(message: ProtoMsg, frame: Uint8Array): void {
    if (this.#over) return;
    const { hdr } = message;
    if (!this.#resumes) this.#acks.fromDevice(message);
    this.#fromDevice += frame.length;
    const first = this.#audience.hear(message, frame);
    if (first && hdr.proto === ProtoType.Shell && hdr.typ === 'stop') this.#shell = false;
    if (hdr.proto === ProtoType.Control && this.#resumes) this.#deviceControls(message);
    const socket = this.#socket;
    if (!socket || this.#over) return;
    socket.send(frame, { binary: true }, this.#written);
    const { quota } = this.#options;
    if (quota > 0 && this.#fromDevice >= quota) return this.#exceed('session byte limit exhausted', quotaText);
    const waiting = socket.bufferedAmount;
    if (waiting > lost) return this.end('your connection is too slow for what the device sends');
    if (waiting > behind && !this.#behind) {
      this.#behind = true;
      this.#device?.hold(this, true);
    }
  }

  pause(yes: boolean): void {
    this.#pause('device busy', yes);
  }

  deviceLost(device: DeviceEnd): void {
    if (device !== this.#device || this.#over) return;
    if (!this.#resumes) return this.#leave('device disconnected', 1000);
    this.#toDevice.end = undefined;
    this.#attached = false;
    this.#paused.clear();
    this.#socket?.resume();
    this.#absence.begin('device');
    this.#tell({ typ: 'link', body: { up: false } });
  }

  deviceBack(device: DeviceEnd): void {
    if (this.#over || this.#device || !this.#resumes) return;
    if (!device.resumes) return this.end('the device came back without what this session needs');
    this.#toDevice.end = device;
    device.join(this);
    this.#tell({ typ: 'link', body: { up: true } });
  }

  end(reason: string): void {
    if (this.#over) return;
    this.#tellDevice(reason);
    this.#leave(reason, 1008);
  }

  /** The server stops, and the session goes on with the next one: nobody is told that it is over. */
  hibernate(): void {
    this.#over = true;
    this.#absence.end();
    this.#device?.leave(this);
    this.#options.bus.leaveSession(this);
    this.#audience.leave('the server is restarting', false);
    if (this.#socket) closeSoon(this.#socket, 1001, 'the server is restarting');
  }

  #deviceControls({ hdr, body }: ProtoMsg): void {
    if (hdr.typ === 'attached') {
      this.#absence.within = Number((narrow(unpack(body!)) as { within?: unknown }).within);
      this.#absence.end();
    }
    // With nobody there it is for us to hear that it is over.
    const over = hdr.typ === 'close' || (hdr.typ === 'error' && body && (unpack(body) as { close?: unknown }).close);
    if (over && !this.#socket) this.#conclude();
  }

  #receive(data: Buffer): void {
    if (this.#over) return;
    let message: ProtoMsg;
    try {
      message = decode(data);
    } catch (error) {
      this.#options.log.info('user frame not understood', { sid: this.sid, error: messageOf(error) });
      const socket = this.#socket!;
      this.#finish('user disconnected');
      return closeSoon(socket, 1007, messageOf(error));
    }
    const { proto, typ, seq } = message.hdr;
    // What a program says by itself, to be known as alive, is no sign of its person.
    if (proto !== ProtoType.Control && !(proto === ProtoType.Shell && typ === 'pong')) this.#activeAt = new Date();
    if (this.#resumes && proto === ProtoType.Control) {
      if (typ === 'ping') return this.#tell({ typ: 'pong' });
      // Whoever attaches is told what the device has; until then nothing is numbered right.
      if (typ === 'attach') this.#attached = this.#device !== undefined;
      if (!this.#attached) return;
    }
    if (seq !== undefined && !this.#attached) return;
    const why = this.#person.refuses(proto);
    if (why !== undefined) return this.#forbid(message, why);
    this.#forward(message);
  }

  /**
   * The first message of substance, from which on it is a session of a kind, or one that an add-on wants to see in the
   * audit log: it is written before anything happens.
   */
  async #log(message: ProtoMsg, first: boolean, use: SessionUse | undefined): Promise<void> {
    if (first) this.#kind = this.#options.speaker(message.hdr.proto)?.id ?? 'other';
    this.#pause('begin', true);
    // Frames that had been read already wait as well: order is kept by doing this for each of them.
    this.#beginning = true;
    if (message.hdr.proto === ProtoType.Shell) this.#overhear(message.hdr);
    try {
      if (first) await this.record();
    } catch (error) {
      this.#options.log.warn('terminal not recorded, so not opened', { sid: this.sid, error: messageOf(error) });
      this.#forbid(message, messageOf(error));
      this.#kind = undefined;
      return this.#leave(messageOf(error), 1008);
    }
    try {
      if (first) await this.#options.opened(this);
      if (use) await this.#options.used(this, use);
    } catch (error) {
      this.#options.log.error('session not logged', { sid: this.sid, error: messageOf(error) });
      return this.#leave('the session could not be written to the audit log', 1011);
    }
    this.#beginning = false;
    this.#relay(message);
    for (const later of this.#early.splice(0)) this.#forward(later);
    if (!this.#beginning) this.#pause('begin', false);
  }

  /** Begins or goes on with the recording, if one is wanted. */
  async record(): Promise<void> {
    if (this.#kind !== 'terminal') return;
    const recorder = await this.#options.record(this);
    if (this.#over) return recorder?.close(true);
    if (recorder) this.#audience.record(recorder);
  }

  #beginning = false;
  readonly #early: ProtoMsg[] = [];

  #forward(message: ProtoMsg): void {
    if (this.#over) return;
    if (this.#beginning) {
      this.#early.push(message);
      return;
    }
    const first = this.#kind === undefined && message.hdr.proto !== ProtoType.Control;
    const use = this.#uses.of(message);
    if (first || use) void this.#log(message, first, use);
    else this.#relay(message);
  }

  #relay(message: ProtoMsg): void {
    if (this.#over) return;
    if (!this.#resumes && !this.#acks.toDevice(message)) return;
    if (message.hdr.proto === ProtoType.Shell) this.#overhear(message.hdr);
    const why = this.#toDevice.relay(message, this.userId);
    if (why !== undefined) this.#refuse(message, why);
  }

  #overhear(hdr: ProtoMsg['hdr']): void {
    if (hdr.typ === 'new') this.#shell = true;
    if (hdr.typ === 'stop') this.#shell = false;
    this.#audience.resize(hdr);
  }

  #guestTypes(body: Uint8Array, userId: string): void {
    if (!this.#over && this.#shell) this.#toDevice.type(body, userId);
  }

  /** Not his to do: said in the protocol's own words, so that his program shows it (ask-1). */
  #forbid(message: ProtoMsg, why: string): void {
    const { hdr } = message;
    if (hdr.proto !== ProtoType.Shell) return this.#refuse(message, why, 403);
    const refused = { proto: ProtoType.Shell, typ: hdr.typ ?? 'new', sid: this.sid, props: { status: 2n } };
    this.#socket?.send(encode({ hdr: refused, body: utf8.encode(why) }));
  }

  #refuse({ hdr }: ProtoMsg, err: string, code?: number): void {
    const type = hdr.typ ? { msgtype: hdr.typ } : {};
    this.#tell({
      typ: 'error',
      body: { err, close: false, ...(code === undefined ? {} : { code }), msgproto: hdr.proto, ...type },
    });
  }

  #exceed(toUser: string, toDevice: string): void {
    this.#tellDevice(toDevice);
    this.#leave(toUser, 1008);
  }

  readonly #written = (): void => {
    if (!this.#behind || (this.#socket?.bufferedAmount ?? 0) > caughtUp) return;
    this.#behind = false;
    this.#device?.hold(this, false);
  };

  #waitFor(device: DeviceEnd): void {
    if (this.#paused.has('device full')) return;
    this.#pause('device full', true);
    void device.drained().then(() => this.#pause('device full', false));
  }

  #pause(why: 'device full' | 'device busy' | 'begin', yes: boolean): void {
    if (yes) this.#paused.add(why);
    else this.#paused.delete(why);
    if (this.#paused.size > 0) this.#socket?.pause();
    else this.#socket?.resume();
  }

  #closed(socket: WebSocket, code: number): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    if (this.#over) return;
    if (!this.#resumes || this.#kind === undefined || farewells.has(code)) return this.#finish('user disconnected');
    // A page was left or is loaded anew. Whoever only closed it shall not have his shell stay for long.
    const usual = this.#absence.within;
    const within = code === 1001 || code === frozenCode ? Math.min(reloadTime, usual) : usual;
    this.#attached = false;
    if (this.#behind) this.#device?.hold(this, false);
    this.#absence.begin('person', within);
    this.#toDevice.suspend(within < usual ? within : undefined);
  }

  #tellDevice(why: string): void {
    this.#toDevice.over(why, this.userId, this.#shell);
  }

  #tell(message: LooseMessage): void {
    this.#socket?.send(encode(toFrame(control, message, this.sid)));
  }

  /** Everybody at this terminal, to the owner; he is the first of them. */
  #introduce(): void {
    if (!this.#options.resume && !this.#resumes) return;
    const people = this.#audience.guests.everybody;
    if (people.length > 1 || this.#audience.guests.hadAny) this.#tell({ typ: 'people', body: { people, self: 0 } });
  }

  #finish(why: string): void {
    if (this.#over) return;
    this.#tellDevice(why);
    this.#conclude();
  }

  /** Ends it for the person, with the message that makes his program leave (mender-cli needs a `stop`, H-67). */
  #leave(why: string, code: number): void {
    if (this.#over) return;
    const socket = this.#socket;
    const stop = { proto: ProtoType.Shell, typ: 'stop', sid: this.sid, props: { status: 2n } };
    const error = toFrame(control, { typ: 'error', body: { err: why, close: true } }, this.sid);
    const shell = this.#kind === 'terminal' || this.#shell;
    socket?.send(encode(shell ? { hdr: stop, body: utf8.encode(why) } : error));
    this.#conclude(why);
    if (socket) closeSoon(socket, code, why, lastWords);
  }

  #conclude(why = 'the session has ended'): void {
    this.#over = true;
    this.#absence.end();
    this.#audience.leave(why, true);
    this.#device?.leave(this);
    this.#options.bus.leaveSession(this);
    this.#options.closed(this);
  }
}

const quotaText = 'session byte limit exceeded';
const utf8 = new TextEncoder();
