import { randomUUID } from 'node:crypto';
import type { WebSocket } from 'ws';
import { messageOf, stackOf } from '#base/errors';
import type { Log } from '#base/log';
import { decode, frozenCode, narrow, ProtoType, unpack, type ProtoMsg } from '#proto';
import type { DeviceEnd, RelayBus, SessionEnd } from './bus.ts';
import { Absence } from './absence.ts';
import { AuditGate } from './audit-gate.ts';
import { PersonEnd } from './person-end.ts';
import { PortAcks } from './port-acks.ts';
import type { Person, Stand } from './events.ts';
import type { Recorder } from './recorder.ts';
import type { Recalled, SessionFacts } from './session-facts.ts';
import { Terminal } from './terminal.ts';
import { ToDevice } from './to-device.ts';
import type { SessionUse, Speaker } from './uses.ts';

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
  readonly #resumes: boolean;
  readonly #absence = new Absence(() => this.end('nobody came back in time'));
  readonly #terminal: Terminal;
  readonly #toDevice: ToDevice;
  readonly #personEnd: PersonEnd;
  readonly #gate: AuditGate;
  #person: Person;
  /** The two ends have found each other over the sockets that are there now. */
  #attached = false;
  #activeAt = new Date();
  #fromDevice = 0;
  #over = false;

  constructor(options: UserSessionOptions) {
    const { recalled, device } = options;
    this.sid = recalled?.sid ?? randomUUID();
    this.deviceId = options.deviceId;
    this.#options = options;
    this.#person = options.person;
    this.#openedAt = recalled?.openedAt ?? new Date();
    this.#resumes = recalled !== undefined || (options.resume && device?.resumes === true);
    this.#toDevice = new ToDevice(this.sid, device, (end) => this.#personEnd.waitFor(end));
    this.#personEnd = new PersonEnd(this.sid, options.log, {
      heard: (data) => this.#heard(data),
      left: (code) => this.#personLeft(code),
      hold: (yes) => this.#device?.hold(this, yes),
    });
    this.#gate = new AuditGate(recalled?.kind, {
      speaker: options.speaker,
      write: (message, begins, use) => this.#write(message, begins, use),
      hold: (yes) => this.#personEnd.pause('begin', yes),
      relay: (message) => this.#relay(message),
    });
    this.#terminal = new Terminal(recalled?.kind === 'terminal', {
      log: options.log,
      sid: this.sid,
      owner: () => this.#person.name,
      type: (keys, userId) => this.#toDevice.type(keys, userId),
      changed: () => this.#introduce(),
      lost: (why) => this.end(why),
    });
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
    return this.#terminal.guests.stands(this.deviceId);
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
      kind: this.#gate.kind,
      openedAt: this.#openedAt,
      activeAt: this.#activeAt,
      bytesFromDevice: this.#fromDevice,
      bytesToDevice: this.#toDevice.bytes,
      resumes: this.#resumes,
      waitsFor: !this.#personEnd.here ? 'person' : this.#device === undefined ? 'device' : undefined,
      interruptions: this.#absence.list,
      recorded: this.#terminal.recorded,
      size: this.#terminal.guests.size,
      guests: this.#terminal.guests.list,
      shared: this.#terminal.guests.typing,
      uses: this.#gate.uses,
    };
  }

  /** The person's socket, the first or one after a loss; it takes the place of one that may be half open. */
  sit(socket: WebSocket, person: Person): void {
    this.#person = person;
    this.#attached = false;
    this.#personEnd.sit(socket);
    if (!this.#options.resume && !this.#resumes) return;
    const up = this.#device !== undefined;
    this.#personEnd.tell({ typ: 'session', body: { sid: this.sid, resume: this.#resumes, up } });
    this.#introduce();
  }

  /** Somebody else, who watches this terminal, and types if he may. */
  welcome(socket: WebSocket, person: Person): void {
    this.#terminal.guests.add(socket, person);
  }

  /** Guests may type from now on, or may not. */
  share(typing: boolean): void {
    this.#terminal.guests.typing = typing;
  }

  deliver(message: ProtoMsg, frame: Uint8Array): void {
    if (this.#over) return;
    const { hdr } = message;
    if (!this.#resumes) this.#acks.fromDevice(message);
    this.#fromDevice += frame.length;
    this.#terminal.hear(message, frame);
    if (hdr.proto === ProtoType.Control && this.#resumes) this.#deviceControls(message);
    if (this.#over || !this.#personEnd.here) return;
    if (!this.#personEnd.deliver(frame)) return this.end('your connection is too slow for what the device sends');
    const { quota } = this.#options;
    if (quota > 0 && this.#fromDevice >= quota) {
      this.#tellDevice('session byte limit exceeded');
      return this.#leave('session byte limit exhausted', 1008);
    }
  }

  pause(yes: boolean): void {
    this.#personEnd.pause('device busy', yes);
  }

  deviceLost(device: DeviceEnd): void {
    if (device !== this.#device || this.#over) return;
    if (!this.#resumes) return this.#leave('device disconnected', 1000);
    this.#toDevice.end = undefined;
    this.#attached = false;
    this.#personEnd.resume();
    this.#absence.begin('device');
    this.#personEnd.tell({ typ: 'link', body: { up: false } });
  }

  deviceBack(device: DeviceEnd): void {
    if (this.#over || this.#device || !this.#resumes) return;
    if (!device.resumes) return this.end('the device came back without what this session needs');
    this.#toDevice.end = device;
    device.join(this);
    this.#personEnd.tell({ typ: 'link', body: { up: true } });
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
    this.#terminal.leave('the server is restarting', false);
    this.#personEnd.close(1001, 'the server is restarting');
  }

  #deviceControls({ hdr, body }: ProtoMsg): void {
    if (hdr.typ === 'attached') {
      this.#absence.within = Number((narrow(unpack(body!)) as { within?: unknown }).within);
      this.#absence.end();
    }
    // With nobody there it is for us to hear that it is over.
    const over = hdr.typ === 'close' || (hdr.typ === 'error' && body && (unpack(body) as { close?: unknown }).close);
    if (over && !this.#personEnd.here) this.#conclude();
  }

  #heard(data: Buffer): void {
    if (this.#over) return;
    try {
      this.#receive(data);
    } catch (error) {
      // A fault of ours costs this session, never the process with everybody else's.
      this.#options.log.error('message not relayed', { sid: this.sid, error: stackOf(error) });
      this.#finish('internal error');
      this.#personEnd.close(1011, 'internal error');
    }
  }

  #receive(data: Buffer): void {
    let message: ProtoMsg;
    try {
      message = decode(data);
    } catch (error) {
      this.#options.log.info('user frame not understood', { sid: this.sid, error: messageOf(error) });
      this.#finish('user disconnected');
      return this.#personEnd.close(1007, messageOf(error));
    }
    const { proto, typ, seq } = message.hdr;
    // What a program says by itself, to be known as alive, is no sign of its person.
    if (proto !== ProtoType.Control && !(proto === ProtoType.Shell && typ === 'pong')) this.#activeAt = new Date();
    if (this.#resumes && proto === ProtoType.Control) {
      if (typ === 'ping') return this.#personEnd.tell({ typ: 'pong' });
      // Whoever attaches is told what the device has; until then nothing is numbered right.
      if (typ === 'attach') this.#attached = this.#device !== undefined;
      if (!this.#attached) return;
    }
    if (seq !== undefined && !this.#attached) return;
    const why = this.#person.refuses(proto);
    if (why !== undefined) return this.#personEnd.forbid(message, why);
    this.#gate.pass(message);
  }

  /** For the audit gate: a session that cannot be recorded or logged as it must be ends here. */
  async #write(message: ProtoMsg, begins: boolean, use: SessionUse | undefined): Promise<boolean> {
    if (this.#over) return false;
    this.#terminal.overhear(message);
    try {
      if (begins) await this.record();
    } catch (error) {
      this.#options.log.warn('terminal not recorded, so not opened', { sid: this.sid, error: messageOf(error) });
      this.#personEnd.forbid(message, messageOf(error));
      this.#leave(messageOf(error), 1008);
      return false;
    }
    // He has gone meanwhile: nothing has happened that the log is to tell.
    if (this.#over) return false;
    try {
      if (begins) await this.#options.opened(this);
      if (use && !this.#over) await this.#options.used(this, use);
      return !this.#over;
    } catch (error) {
      this.#options.log.error('session not logged', { sid: this.sid, error: messageOf(error) });
      this.#leave('the session could not be written to the audit log', 1011);
      return false;
    }
  }

  /** Begins or goes on with the recording, if one is wanted. */
  async record(): Promise<void> {
    if (this.#gate.kind !== 'terminal') return;
    const recorder = await this.#options.record(this);
    if (this.#over) return recorder?.close(true);
    if (recorder) this.#terminal.record(recorder);
  }

  #relay(message: ProtoMsg): void {
    if (this.#over) return;
    if (!this.#resumes && !this.#acks.toDevice(message)) return;
    this.#terminal.overhear(message);
    const why = this.#toDevice.relay(message, this.userId);
    if (why !== undefined) this.#personEnd.refuse(message, why);
  }

  #personLeft(code: number): void {
    if (this.#over) return;
    const begun = this.#gate.kind !== undefined;
    if (!this.#resumes || !begun || farewells.has(code)) return this.#finish('user disconnected');
    // A page was left or is loaded anew. Whoever only closed it shall not have his shell stay for long.
    const usual = this.#absence.within;
    const within = code === 1001 || code === frozenCode ? Math.min(reloadTime, usual) : usual;
    this.#attached = false;
    this.#absence.begin('person', within);
    this.#toDevice.suspend(within < usual ? within : undefined);
  }

  #tellDevice(why: string): void {
    this.#toDevice.over(why, this.userId, this.#terminal.open);
  }

  /** Everybody at this terminal, to the owner; he is the first of them. */
  #introduce(): void {
    if (!this.#options.resume && !this.#resumes) return;
    const people = this.#terminal.guests.everybody;
    if (people.length > 1 || this.#terminal.guests.hadAny)
      this.#personEnd.tell({ typ: 'people', body: { people, self: 0 } });
  }

  #finish(why: string): void {
    if (this.#over) return;
    this.#tellDevice(why);
    this.#conclude();
  }

  /** Ends it for the person, who is told. */
  #leave(why: string, code: number): void {
    if (this.#over) return;
    this.#personEnd.dismiss(why, code, this.#gate.kind === 'terminal' || this.#terminal.open);
    this.#conclude(why);
  }

  #conclude(why = 'the session has ended'): void {
    this.#over = true;
    this.#absence.end();
    this.#terminal.leave(why, true);
    this.#device?.leave(this);
    this.#options.bus.leaveSession(this);
    this.#options.closed(this);
  }
}
