import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { control, encode, toFrame, type LooseMessage } from '#proto';
import type { LoadedAddon } from './addons.ts';
import { Line, type Kept, type ResumeLimits } from './line.ts';
import { AddonSession, type SessionHost } from './session.ts';
import { Silence, type SilenceTimes } from './silence.ts';
import type { Stalls } from './stalls.ts';
import type { Wire } from './wire.ts';

/** What all conversations of a device have in common. */
export interface Surroundings {
  readonly wire: Wire;
  readonly log: Log;
  readonly times: SilenceTimes;
  readonly resume: ResumeLimits;
  readonly kept: Kept;
  readonly stalls: Stalls;
  /** An add-on is at work for one of them, until this settles; it never rejects. */
  readonly serving: (work: Promise<void>) => void;
  /** Its session id means nothing any more. */
  readonly over: (conversation: Conversation) => void;
}

/**
 * All that one session id stands for: an add-on each protocol, made by its first message, and what they share: a peer
 * who is heard or silent, and, where it may resume, one line of numbered messages.
 */
export class Conversation implements SessionHost {
  readonly sid: string;
  /** Its peer knows the control protocol, or should: it is asked when it is silent, and not over with its last add-on. */
  watched: boolean;
  readonly #around: Surroundings;
  /** By number of protocol. */
  readonly #sessions = new Map<number, AddonSession>();
  /** Of those, add-ons that watch their peers themselves. */
  #keepers = 0;
  readonly #silence: Silence;
  #line: Line | undefined;
  /** An add-on was asked for. */
  #served = false;
  #over = false;

  constructor(sid: string, watched: boolean, around: Surroundings) {
    this.sid = sid;
    this.watched = watched;
    this.#around = around;
    this.#silence = new Silence(around.times, {
      excused: () => this.#keepers > 0 || (this.#line !== undefined && (!this.#line.attached || this.#idle)),
      ask: () => this.#tell({ typ: 'ping' }),
      over: () => this.fail(new CodedError('timeout', 'session timeout')),
    });
  }

  /** It may resume. */
  get line(): Line | undefined {
    return this.#line;
  }

  get ready(): boolean {
    return this.#around.wire.ready;
  }

  write(frame: Uint8Array): boolean {
    return this.#around.wire.send(frame);
  }

  congested(session: AddonSession, yes: boolean): void {
    this.#around.stalls.set(session, yes);
  }

  /** A sign of life of the peer. */
  heard(): void {
    this.#silence.heard();
  }

  /** The share of the add-on that speaks this protocol, if it has one. */
  session(protocol: number): AddonSession | undefined {
    return this.#sessions.get(protocol);
  }

  /** Has an add-on that speaks a protocol serve this one. */
  serve(addon: LoadedAddon, userId: string): AddonSession {
    const { sid } = this;
    const { log, serving } = this.#around;
    const { protocol } = addon.speaks!;
    const session = new AddonSession(this, protocol, sid, userId, this.#line);
    this.#sessions.set(protocol.number, session);
    if (addon.half.keepsAlive) this.#keepers++;
    log.info('session opened', { sid, addon: addon.id, user: userId });
    this.#served = true;
    session.signal.addEventListener('abort', () => {
      this.#sessions.delete(protocol.number);
      if (addon.half.keepsAlive) this.#keepers--;
      this.settle();
    });
    const served = Promise.resolve()
      .then(() => addon.half.serve!(session))
      // Its last words are part of it, however slowly they go.
      .then(() => session.drained());
    serving(
      served.then(
        () => session.end(new CodedError('done', 'the add-on has ended the session')),
        (error: unknown) => {
          log.error('add-on failed', { sid, addon: addon.id, error: messageOf(error) });
          if (!session.signal.aborted) this.fail(internal());
        },
      ),
    );
    this.#silence.arm();
    return session;
  }

  /** The person's end of one that may resume is there, for the first time or again, and has what it says (`Line`). */
  attach(userId: string, received: number): void {
    const { sid } = this;
    const again = this.#line !== undefined;
    const line = (this.#line ??= this.#newLine(userId));
    let mine: number;
    try {
      mine = line.attach(received);
    } catch (error) {
      return this.fail(new CodedError('lost', messageOf(error)));
    }
    this.#silence.heard();
    this.#tell({ typ: 'attached', body: { received: mine, within: line.within } });
    if (again) this.#around.log.info('session resumed', { sid });
    line.pump();
    this.#linked(true);
    for (const session of this.#sessions.values()) {
      session.paused = false;
      if (session.behind) this.#around.stalls.set(session, true);
    }
    this.settle();
  }

  /** The link, or the person of one that may resume, is away; `within`: for no longer than so many seconds. */
  suspend(within?: number): void {
    const was = this.#line?.attached;
    this.#line?.suspend(within);
    if (!was) return;
    this.#around.log.info('session away', { sid: this.sid });
    this.#linked(false);
  }

  /** The peer cannot take more for now, or can again. */
  pause(yes: boolean): void {
    if (this.#line) this.#line.paused = yes;
    for (const session of this.#sessions.values()) session.paused = yes;
  }

  /** The link came, went, or has room again. */
  room(): void {
    const { up } = this.#around.wire;
    if (!up && this.#line) this.suspend();
    this.#line?.pump();
    for (const session of this.#sessions.values()) {
      // A pause was asked for on a link that is gone, and nobody would take it back.
      if (!up) session.paused = false;
      session.room();
    }
  }

  /** An add-on is through with it. With the last of those that watch their peers themselves it is over. */
  settle(): void {
    if (!this.#idle || this.#over) return;
    // Nothing was asked for yet, or the last words have not arrived.
    if (this.#line && !(this.#served && this.#line.empty)) return;
    if (!this.watched) return this.end(new CodedError('done', 'the add-on has ended the session'));
    this.#silence.heard();
    this.#silence.arm();
  }

  /** Ends it and tells the peer, by default in the words of the reason. */
  fail(reason: CodedError, err = reason.message): void {
    this.#tell({ typ: 'error', body: { err, close: true } });
    this.end(reason);
  }

  end(reason: CodedError): void {
    if (this.#over) return;
    this.#over = true;
    this.#silence.end();
    this.#line?.end();
    this.#around.over(this);
    for (const session of this.#sessions.values()) session.end(reason);
    this.#around.log.info('session ended', { sid: this.sid, reason: reason.message });
  }

  /** No add-on serves it just now. */
  get #idle(): boolean {
    return this.#sessions.size === 0;
  }

  /** Tells the add-ons. One that fails then costs this session, and nothing else that goes over the link. */
  #linked(up: boolean): void {
    try {
      for (const session of this.#sessions.values()) session.linked(up);
    } catch (error) {
      this.#around.log.error('add-on failed', { sid: this.sid, error: messageOf(error) });
      this.fail(internal());
    }
  }

  #newLine(userId: string): Line {
    const { resume, kept } = this.#around;
    const host = {
      ready: () => this.ready,
      write: (frame: Uint8Array) => this.write(frame),
      acknowledge: (received: number) => this.#tell({ typ: 'ack', body: { received } }),
      changed: () => {
        for (const session of this.#sessions.values()) session.room();
      },
      over: (reason: CodedError) => this.fail(reason),
    };
    return new Line(host, userId, resume, kept);
  }

  #tell(message: LooseMessage): void {
    this.#around.wire.send(encode(toFrame(control, message, this.sid)));
  }
}

const internal = (): CodedError => new CodedError('internal', 'internal error');
