import { CodedError } from '#base/errors';
import { Inbox } from '#base/inbox';
import type { Session } from '#addon/device';
import { encode, toFrame, type LooseMessage, type Protocol } from '#proto';
import type { Line } from './line.ts';

/** Bytes of messages that an add-on has not taken yet: above the first its peer is asked to pause. */
const inbox = { high: 1024 * 1024, low: 256 * 1024 };
/** Bytes of frames that wait for the link: more than an add-on that heeds `send` can ever have. */
const outboxLimit = 4 * 1024 * 1024;

/** What a session needs of its surroundings. */
export interface SessionHost {
  /** The link takes frames now. */
  readonly ready: boolean;
  /** Hands a frame to the link; false: it is full or down now. */
  write(frame: Uint8Array): boolean;
  /** The add-on falls behind, or has caught up. */
  congested(session: AddonSession, yes: boolean): void;
}

/** One add-on's share of a session id: messages in, messages out, and its end. */
export class AddonSession implements Session<LooseMessage> {
  readonly sid: string;
  readonly userId: string;
  readonly protocol: Protocol;
  readonly #host: SessionHost;
  /** Of a session that may resume; else what waits for the link waits here. */
  readonly #line: Line | undefined;
  readonly #links = new Set<(up: boolean) => void>();
  readonly #ending = new AbortController();
  readonly #inbox: Inbox<LooseMessage>;
  readonly #outbox: Uint8Array[] = [];
  #outboxSize = 0;
  #paused = false;
  #waiting: (() => void)[] = [];

  constructor(host: SessionHost, protocol: Protocol, sid: string, userId: string, line?: Line) {
    this.#host = host;
    this.#line = line;
    this.protocol = protocol;
    this.sid = sid;
    this.userId = userId;
    this.#inbox = new Inbox({ ...inbox, congested: (yes) => host.congested(this, yes) });
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  send(message: LooseMessage): boolean {
    if (this.signal.aborted) return false;
    if (this.#line) return this.#number(this.#line, message);
    const frame = encode(toFrame(this.protocol, message, this.sid));
    if (this.#open) return this.#host.write(frame);
    this.#outbox.push(frame);
    this.#outboxSize += frame.length;
    if (this.#outboxSize > outboxLimit) this.#overflow();
    return false;
  }

  #number(line: Line, message: LooseMessage): boolean {
    line.send(encode(toFrame(this.protocol, message, this.sid, line.seq)));
    if (line.overfull) this.#overflow();
    return line.roomy;
  }

  #overflow(): void {
    this.end(new CodedError('overflow', 'the add-on sends more than the link takes'));
  }

  drained(): Promise<void> {
    if (this.signal.aborted || this.#open) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  [Symbol.asyncIterator](): AsyncIterator<LooseMessage> {
    return this.#inbox[Symbol.asyncIterator]();
  }

  onLink(listener: (up: boolean) => void): () => void {
    this.#links.add(listener);
    return () => this.#links.delete(listener);
  }

  /** What has come was not taken yet, and more is not wanted. */
  get behind(): boolean {
    return this.#inbox.isCongested;
  }

  /** The person is away, or back. */
  linked(up: boolean): void {
    for (const listener of this.#links) listener(up);
  }

  /** A message of the peer; `size` in bytes. */
  push(message: LooseMessage, size: number): void {
    this.#inbox.push(message, size);
  }

  /** The peer cannot take more for now, or can again (`pause`, `resume`). */
  set paused(paused: boolean) {
    this.#paused = paused;
    if (!paused) this.room();
  }

  /** The link has room, or is back: first what waited, then the sources. */
  room(): void {
    while (this.#outbox.length > 0 && !this.#paused && this.#host.ready) {
      const frame = this.#outbox.shift()!;
      this.#outboxSize -= frame.length;
      this.#host.write(frame);
    }
    if (this.#open) this.#release();
  }

  end(reason: Error): void {
    if (this.signal.aborted) return;
    this.#ending.abort(reason);
    this.#inbox.end();
    this.#outbox.length = 0;
    this.#links.clear();
    this.#release();
  }

  get #open(): boolean {
    if (this.#line) return this.#line.roomy;
    return this.#outbox.length === 0 && !this.#paused && this.#host.ready;
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
