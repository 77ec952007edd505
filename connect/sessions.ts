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
import { Conversation, type Surroundings } from './conversation.ts';
import type { ResumeLimits } from './line.ts';
import type { SilenceTimes } from './silence.ts';
import { Stalls } from './stalls.ts';
import type { Wire } from './wire.ts';

export interface SessionTimes extends SilenceTimes {
  /** How long one session that takes nothing may stop the others, ms, where it cannot be paused alone. */
  readonly stall: number;
}

const defaults: SessionTimes = { ask: 48_000, end: 60_000, stall: 2000 };

/** Session ids at a time: more than people and add-ons need, less than memory has. */
const sessionLimit = 1024;

const openBody = parser(control.messages.open.body);
const errorBody = parser(control.messages.error.body);
const attachBody = parser(control.messages.attach.body);
const ackBody = parser(control.messages.ack.body);
const suspendBody = parser(control.messages.suspend.body);

/**
 * The sessions of this device: gives each message to the add-on that speaks its protocol, answers the control
 * protocol, ends what is silent (`connect-protocol.md` §3.2). It names no add-on.
 */
export class Sessions {
  readonly #addons: ReadonlyMap<number, LoadedAddon>;
  readonly #wire: Wire;
  readonly #log: Log;
  readonly #conversations = new Map<string, Conversation>();
  readonly #serving = new Set<Promise<void>>();
  readonly #around: Surroundings;

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
    const { stall, ...silence } = { ...defaults, ...times };
    const stalled = new CodedError('stalled', 'input was not taken');
    this.#around = {
      wire,
      log,
      times: silence,
      resume,
      kept: { bytes: 0 },
      stalls: new Stalls(wire, stall, ({ sid }) =>
        this.#conversations.get(sid)?.fail(stalled, 'the device does not take the input'),
      ),
      serving: (work) => {
        this.#serving.add(work);
        void work.finally(() => this.#serving.delete(work));
      },
      over: ({ sid }) => void this.#conversations.delete(sid),
    };
  }

  get size(): number {
    return this.#conversations.size;
  }

  /** The link came, went, or has room again. */
  room(): void {
    for (const conversation of this.#conversations.values()) conversation.room();
  }

  /** Ends all of them: the device has lost its authorization, or the daemon stops. */
  endAll(why: string): void {
    const reason = new CodedError('ended', why);
    for (const conversation of this.#conversations.values())
      // Its person would wait for the device to come back.
      if (conversation.line) conversation.fail(reason);
      else conversation.end(reason);
  }

  /** Resolves when every add-on has put away what its sessions had. */
  async settled(): Promise<void> {
    await Promise.all(this.#serving);
  }

  receive(frame: ProtoMsg): void {
    const sid = frame.hdr.sid ?? '';
    const known = this.#conversations.get(sid);
    known?.heard();
    if (frame.hdr.proto === ProtoType.Control) return this.#control(frame, sid, known);
    const addon = this.#addons.get(frame.hdr.proto);
    if (!addon?.speaks || (!addon.half.serve && !addon.half.refuse)) {
      const err = `no handler registered for protocol: 0x${frame.hdr.proto.toString(16).toUpperCase().padStart(4, '0')}`;
      this.#conversation(sid, known);
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
    const conversation = this.#conversation(sid, known, !addon.half.keepsAlive);
    if (!conversation) return this.#error(frame, `too many sessions, at most ${sessionLimit}`);
    const session = conversation.session(frame.hdr.proto) ?? conversation.serve(addon, userOf(frame));
    session.push(message, (frame.body?.length ?? 0) + 64);
  }

  #refuse(addon: LoadedAddon, frame: ProtoMsg, error: unknown): void {
    const why = error instanceof CodedError ? error : new CodedError('invalid_message', messageOf(error));
    this.#log.warn('message refused', { addon: addon.id, code: codeOf(why), error: why.message, sid: frame.hdr.sid });
    const answer = addon.half.refuse?.(frame.hdr.typ ?? '', why);
    if (!answer) return this.#error(frame, why.message);
    this.#wire.send(encode(toFrame(addon.speaks!.protocol, answer, frame.hdr.sid)));
  }

  #control(frame: ProtoMsg, sid: string, known: Conversation | undefined): void {
    switch (frame.hdr.typ) {
      case 'open':
        return this.#open(frame, sid, known);
      case 'ping':
        this.#conversation(sid, known);
        this.#wire.send(encode(toFrame(control, { typ: 'pong' }, sid)));
        return;
      case 'accept':
      case 'pong':
        return;
      case 'close':
        known?.end(new CodedError('closed', 'closed by the peer'));
        return;
      case 'pause':
      case 'resume':
        known?.pause(frame.hdr.typ === 'pause');
        return;
      case 'attach':
        return this.#attach(frame, sid, known);
      case 'ack':
        known?.line?.acknowledge(bodyOf(frame, ackBody).received);
        known?.settle();
        return;
      case 'suspend':
        if (known?.line) known.suspend(bodyOf(frame, suspendBody).within);
        return;
      case 'error':
        return this.#peerError(frame, known);
      default:
        this.#conversation(sid, known);
        return this.#error(frame, `session: control type message not understood: '${frame.hdr.typ ?? ''}'`);
    }
  }

  #open(frame: ProtoMsg, sid: string, known: Conversation | undefined): void {
    let versions: readonly number[];
    try {
      versions = openBody(frame.body && narrow(unpack(frame.body))).versions.map(Number);
    } catch (error) {
      return this.#rejectOpen(sid, known, `failed to decode handshake request: ${messageOf(error)}`);
    }
    if (!versions.includes(controlVersion))
      return this.#rejectOpen(sid, known, `handshake rejected: require version ${controlVersion}`);
    this.#conversation(sid, known);
    const protocols = [...this.#addons].flatMap(([number, { half }]) => (half.serve ? [number] : []));
    this.#wire.send(encode(toFrame(control, { typ: 'accept', body: { version: controlVersion, protocols } }, sid)));
  }

  #rejectOpen(sid: string, known: Conversation | undefined, err: string): void {
    this.#deny(sid, err);
    known?.end(new CodedError('handshake', 'the handshake failed'));
  }

  /** A session that may resume begins, or goes on. */
  #attach(frame: ProtoMsg, sid: string, known: Conversation | undefined): void {
    const { received, fresh } = bodyOf(frame, attachBody);
    const userId = userOf(frame);
    if (!known && !fresh) return this.#deny(sid, 'the device does not have this session any more');
    if (known && known.line?.userId !== userId) return this.#deny(sid, "this session is somebody else's");
    const conversation = this.#conversation(sid, known, false);
    if (conversation) conversation.attach(userId, received);
    else this.#deny(sid, `too many sessions, at most ${sessionLimit}`);
  }

  #deny(sid: string, err: string): void {
    this.#say(sid, { err, close: true });
  }

  #peerError(frame: ProtoMsg, known: Conversation | undefined): void {
    try {
      const { err, close } = errorBody(frame.body && narrow(unpack(frame.body)));
      this.#log.warn('error from the peer', { sid: frame.hdr.sid, error: err });
      if (close) known?.end(new CodedError('peer_error', err));
    } catch (error) {
      this.#log.warn('error from the peer, not understood', { sid: frame.hdr.sid, error: messageOf(error) });
    }
  }

  /** The conversation of a session id, made if there is room for it. */
  #conversation(sid: string, known: Conversation | undefined, watched = true): Conversation | undefined {
    if (known) {
      known.watched ||= watched;
      return known;
    }
    if (this.#conversations.size >= sessionLimit) return undefined;
    const conversation = new Conversation(sid, watched, this.#around);
    this.#conversations.set(sid, conversation);
    return conversation;
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

/** Whom the server names as the sender. */
function userOf({ hdr }: ProtoMsg): string {
  const user = hdr.props?.['user_id'];
  return typeof user === 'string' ? user : '';
}
