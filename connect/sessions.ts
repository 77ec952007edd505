import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import {
  control,
  controlVersion,
  encode,
  narrow,
  ProtoType,
  toFrame,
  unpack,
  type LooseMessage,
  type ProtoMsg,
} from '#proto';
import { parser } from '#proto/validate';
import type { LoadedAddon } from './addons.ts';
import { Line, type Kept, type ResumeLimits } from './line.ts';
import { AddonSession, type SessionHost } from './session.ts';
import { Silence, type SilenceTimes } from './silence.ts';
import { Stalls } from './stalls.ts';
import type { Wire } from './wire.ts';

export interface SessionTimes extends SilenceTimes {
  /** How long one session that takes nothing may stop the others, ms, where it cannot be paused alone. */
  readonly stall: number;
}

const defaults: SessionTimes = { ask: 48_000, end: 60_000, stall: 2000 };

/** Session ids at a time: more than people and add-ons need, less than memory has. */
const sessionLimit = 1024;

/** All that one session id stands for: an add-on each protocol, made by its first message. */
interface Entry {
  readonly sid: string;
  readonly members: Map<number, AddonSession>;
  /** It may resume. */
  line: Line | undefined;
  /** Its peer knows the control protocol, or should: it is asked when it is silent. */
  watched: boolean;
  /** An add-on was asked for. */
  served: boolean;
  readonly silence: Silence;
}

const openBody = parser(control.messages.open.body);
const errorBody = parser(control.messages.error.body);
const attachBody = parser(control.messages.attach.body);
const ackBody = parser(control.messages.ack.body);
const suspendBody = parser(control.messages.suspend.body);

/**
 * The sessions of this device: gives each message to the add-on that speaks its protocol, answers the control
 * protocol, ends what is silent (`connect-protocol.md` §3.2). It names no add-on.
 */
export class Sessions implements SessionHost {
  readonly #addons: ReadonlyMap<number, LoadedAddon>;
  readonly #wire: Wire;
  readonly #log: Log;
  readonly #times: SessionTimes;
  readonly #entries = new Map<string, Entry>();
  readonly #serving = new Set<Promise<void>>();
  readonly #stalls: Stalls;
  readonly #resume: ResumeLimits;
  readonly #kept: Kept = { bytes: 0 };

  constructor(
    addons: readonly LoadedAddon[],
    wire: Wire,
    log: Log,
    resume: ResumeLimits,
    times: Partial<SessionTimes> = {},
  ) {
    this.#addons = new Map(addons.flatMap((addon) => (addon.speaks ? [[addon.speaks.protocol.number, addon]] : [])));
    this.#wire = wire;
    this.#log = log;
    this.#resume = resume;
    this.#times = { ...defaults, ...times };
    this.#stalls = new Stalls(wire, this.#times.stall, (session) => this.#stalled(session));
  }

  get size(): number {
    return this.#entries.size;
  }

  get ready(): boolean {
    return this.#wire.ready;
  }

  write(frame: Uint8Array): boolean {
    return this.#wire.send(frame);
  }

  /** The link came, went, or has room again. */
  room(): void {
    const { up } = this.#wire;
    for (const entry of this.#entries.values()) {
      if (!up && entry.line) this.#suspend(entry);
      entry.line?.pump();
      for (const session of entry.members.values()) {
        // A pause was asked for on a link that is gone, and nobody would take it back.
        if (!up) session.paused = false;
        session.room();
      }
    }
  }

  /** Ends all of them: the device has lost its authorization, or the daemon stops. */
  endAll(why: string): void {
    for (const entry of this.#entries.values()) {
      // Its person would wait for the device to come back.
      if (entry.line) this.#deny(entry.sid, why);
      this.#end(entry, new CodedError('ended', why));
    }
  }

  /** Resolves when every add-on has put away what its sessions had. */
  async settled(): Promise<void> {
    await Promise.all(this.#serving);
  }

  receive(frame: ProtoMsg): void {
    const sid = frame.hdr.sid ?? '';
    const known = this.#entries.get(sid);
    if (known) known.silence.heard();
    if (frame.hdr.proto === ProtoType.Control) return this.#control(frame, sid, known);
    const addon = this.#addons.get(frame.hdr.proto);
    if (!addon?.speaks || (!addon.half.serve && !addon.half.refuse)) {
      const err = `no handler registered for protocol: 0x${frame.hdr.proto.toString(16).toUpperCase().padStart(4, '0')}`;
      this.#entry(sid, known);
      return this.#error(frame, err);
    }
    let message: LooseMessage;
    try {
      if (!addon.half.serve) throw new CodedError('disabled', `${addon.id} is disabled on this device`);
      message = addon.speaks.parse(frame);
    } catch (error) {
      return this.#refuse(addon, frame, error);
    }
    const { seq } = frame.hdr;
    // Repeated, or of a session that has ended here: whoever attaches is told.
    if (seq !== undefined && !known?.line?.accept(seq, frame.body?.length ?? 0)) return;
    const entry = this.#entry(sid, known, !addon.half.keepsAlive);
    if (!entry) return this.#error(frame, `too many sessions, at most ${sessionLimit}`);
    const session = entry.members.get(frame.hdr.proto) ?? this.#serve(entry, addon, frame);
    session.push(message, (frame.body?.length ?? 0) + 64);
  }

  #refuse(addon: LoadedAddon, frame: ProtoMsg, error: unknown): void {
    const why = error instanceof CodedError ? error : new CodedError('invalid_message', messageOf(error));
    this.#log.warn('message refused', { addon: addon.id, code: codeOf(why), error: why.message, sid: frame.hdr.sid });
    const answer = addon.half.refuse?.(frame.hdr.typ ?? '', why);
    if (!answer) return this.#error(frame, why.message);
    this.#wire.send(encode(toFrame(addon.speaks!.protocol, answer, frame.hdr.sid)));
  }

  #serve(entry: Entry, addon: LoadedAddon, { hdr }: ProtoMsg): AddonSession {
    const user = hdr.props?.['user_id'];
    const session = new AddonSession(
      this,
      addon.speaks!.protocol,
      entry.sid,
      typeof user === 'string' ? user : '',
      entry.line,
    );
    entry.members.set(hdr.proto, session);
    this.#log.info('session opened', { sid: entry.sid, addon: addon.id, user: session.userId });
    entry.served = true;
    session.signal.addEventListener('abort', () => {
      entry.members.delete(hdr.proto);
      this.#settle(entry);
    });
    const served = Promise.resolve()
      .then(() => addon.half.serve!(session))
      // Its last words are part of it, however slowly they go.
      .then(() => session.drained());
    const settled = served.then(
      () => session.end(new CodedError('done', 'the add-on has ended the session')),
      (error: unknown) => {
        this.#log.error('add-on failed', { sid: entry.sid, addon: addon.id, error: messageOf(error) });
        if (session.signal.aborted) return;
        this.#say(entry.sid, { err: 'internal error', close: true });
        this.#end(entry, new CodedError('internal', 'internal error'));
      },
    );
    this.#serving.add(settled);
    void settled.finally(() => this.#serving.delete(settled));
    entry.silence.arm();
    return session;
  }

  #control(frame: ProtoMsg, sid: string, known: Entry | undefined): void {
    switch (frame.hdr.typ) {
      case 'open':
        return this.#open(frame, sid, known);
      case 'ping':
        this.#entry(sid, known);
        this.#wire.send(encode(toFrame(control, { typ: 'pong' }, sid)));
        return;
      case 'accept':
      case 'pong':
        return;
      case 'close':
        if (known) this.#end(known, new CodedError('closed', 'closed by the peer'));
        return;
      case 'pause':
      case 'resume':
        if (known?.line) known.line.paused = frame.hdr.typ === 'pause';
        for (const session of known?.members.values() ?? []) session.paused = frame.hdr.typ === 'pause';
        return;
      case 'attach':
        return this.#attach(frame, sid, known);
      case 'ack':
        if (known?.line) known.line.acknowledge(bodyOf(frame, ackBody).received);
        if (known) this.#settle(known);
        return;
      case 'suspend':
        if (known?.line) this.#suspend(known, bodyOf(frame, suspendBody).within);
        return;
      case 'error':
        return this.#peerError(frame, known);
      default:
        this.#entry(sid, known);
        return this.#error(frame, `session: control type message not understood: '${frame.hdr.typ ?? ''}'`);
    }
  }

  #open(frame: ProtoMsg, sid: string, known: Entry | undefined): void {
    let versions: readonly number[];
    try {
      versions = openBody(frame.body && narrow(unpack(frame.body))).versions.map(Number);
    } catch (error) {
      this.#say(sid, { err: `failed to decode handshake request: ${messageOf(error)}`, close: true });
      if (known) this.#end(known, new CodedError('handshake', 'the handshake failed'));
      return;
    }
    if (!versions.includes(controlVersion)) {
      this.#say(sid, { err: `handshake rejected: require version ${controlVersion}`, close: true });
      if (known) this.#end(known, new CodedError('handshake', 'the handshake failed'));
      return;
    }
    this.#entry(sid, known);
    const protocols = [...this.#addons].flatMap(([number, { half }]) => (half.serve ? [number] : []));
    this.#wire.send(encode(toFrame(control, { typ: 'accept', body: { version: controlVersion, protocols } }, sid)));
  }

  /** A session that may resume begins, or goes on. */
  #attach(frame: ProtoMsg, sid: string, known: Entry | undefined): void {
    const { received, fresh } = bodyOf(frame, attachBody);
    const user = frame.hdr.props?.['user_id'];
    const userId = typeof user === 'string' ? user : '';
    if (!known && !fresh) return this.#deny(sid, 'the device does not have this session any more');
    if (known && known.line?.userId !== userId) return this.#deny(sid, "this session is somebody else's");
    const entry = this.#entry(sid, known, false);
    if (!entry) return this.#deny(sid, `too many sessions, at most ${sessionLimit}`);
    const line = (entry.line ??= this.#line(entry, userId));
    const again = known !== undefined;
    let mine: number;
    try {
      mine = line.attach(received);
    } catch (error) {
      this.#deny(sid, messageOf(error));
      return this.#end(entry, new CodedError('lost', messageOf(error)));
    }
    entry.silence.heard();
    const body = { received: mine, within: line.within };
    this.#wire.send(encode(toFrame(control, { typ: 'attached', body }, sid)));
    if (again) this.#log.info('session resumed', { sid });
    line.pump();
    for (const session of entry.members.values()) {
      session.linked(true);
      session.paused = false;
      if (session.behind) this.#stalls.set(session, true);
    }
    this.#settle(entry);
  }

  #line(entry: Entry, userId: string): Line {
    const { sid } = entry;
    return new Line(
      {
        ready: () => this.#wire.ready,
        write: (written) => this.#wire.send(written),
        acknowledge: (received) =>
          void this.#wire.send(encode(toFrame(control, { typ: 'ack', body: { received } }, sid))),
        changed: () => {
          for (const session of entry.members.values()) session.room();
        },
        over: (reason) => {
          this.#deny(sid, reason.message);
          this.#end(entry, reason);
        },
      },
      userId,
      this.#resume,
      this.#kept,
    );
  }

  #suspend(entry: Entry, within?: number): void {
    const was = entry.line?.attached;
    entry.line?.suspend(within);
    if (!was) return;
    this.#log.info('session away', { sid: entry.sid });
    for (const session of entry.members.values()) session.linked(false);
  }

  #deny(sid: string, err: string): void {
    this.#say(sid, { err, close: true });
  }

  #peerError(frame: ProtoMsg, known: Entry | undefined): void {
    try {
      const { err, close } = errorBody(frame.body && narrow(unpack(frame.body)));
      this.#log.warn('error from the peer', { sid: frame.hdr.sid, error: err });
      if (close && known) this.#end(known, new CodedError('peer_error', err));
    } catch (error) {
      this.#log.warn('error from the peer, not understood', { sid: frame.hdr.sid, error: messageOf(error) });
    }
  }

  /** The entry of a session id, made if there is room for it. */
  #entry(sid: string, known: Entry | undefined, watched = true): Entry | undefined {
    if (known) {
      known.watched ||= watched;
      return known;
    }
    if (this.#entries.size >= sessionLimit) return undefined;
    const entry: Entry = {
      sid,
      members: new Map(),
      line: undefined,
      watched,
      served: false,
      silence: this.#watch(sid),
    };
    this.#entries.set(sid, entry);
    return entry;
  }

  #watch(sid: string): Silence {
    return new Silence(this.#times, {
      excused: () => {
        const { line, members } = this.#entries.get(sid)!;
        const away = line && (!line.attached || members.size === 0);
        return away || [...members.keys()].some((number) => this.#addons.get(number)?.half.keepsAlive);
      },
      ask: () => void this.#wire.send(encode(toFrame(control, { typ: 'ping' }, sid))),
      over: () => {
        this.#say(sid, { err: 'session timeout', close: true });
        this.#end(this.#entries.get(sid)!, new CodedError('timeout', 'session timeout'));
      },
    });
  }

  /** An add-on is through with an entry. With the last of those that watch their peers themselves it is over. */
  #settle(entry: Entry): void {
    if (entry.members.size > 0 || this.#entries.get(entry.sid) !== entry) return;
    // Nothing was asked for yet, or the last words have not arrived.
    if (entry.line && !(entry.served && entry.line.empty)) return;
    if (!entry.watched) return this.#end(entry, new CodedError('done', 'the add-on has ended the session'));
    entry.silence.heard();
    entry.silence.arm();
  }

  #end(entry: Entry, reason: CodedError): void {
    entry.silence.end();
    entry.line?.end();
    this.#entries.delete(entry.sid);
    for (const session of entry.members.values()) session.end(reason);
    this.#log.info('session ended', { sid: entry.sid, reason: reason.message });
  }

  congested(session: AddonSession, yes: boolean): void {
    this.#stalls.set(session, yes);
  }

  #stalled(session: AddonSession): void {
    const entry = this.#entries.get(session.sid);
    this.#say(session.sid, { err: 'the device does not take the input', close: true });
    if (entry) this.#end(entry, new CodedError('stalled', 'input was not taken'));
    else session.end(new CodedError('stalled', 'input was not taken'));
  }

  #error({ hdr }: ProtoMsg, err: string): void {
    const id = hdr.props?.['msgid'];
    this.#say(hdr.sid ?? '', {
      err,
      close: false,
      msgproto: hdr.proto,
      ...(hdr.typ ? { msgtype: hdr.typ } : {}),
      ...(typeof id === 'string' ? { msgid: id } : {}),
    });
  }

  #say(sid: string, body: Record<string, unknown>): void {
    this.#wire.send(encode(toFrame(control, { typ: 'error', body }, sid)));
  }
}

/** The structure in a body; throws `invalid_message`. */
function bodyOf<T>({ body }: ProtoMsg, parse: (value: unknown) => T): T {
  return parse(body && narrow(unpack(body)));
}
