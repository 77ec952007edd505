import { CodedError, codeOf } from '#base/errors';
import { Incoming, Outgoing } from '#proto';

export interface ResumeLimits {
  /** For a lost link to come back, seconds. */
  readonly within: number;
  /** Bytes kept of one session, and of all together, until the person's end has acknowledged them. */
  readonly buffer: number;
  readonly memory: number;
}

/** What every session may keep even where others have used up the memory, bytes. */
const share = 64 * 1024;

/** Bytes that the sessions of this device keep. */
export interface Kept {
  bytes: number;
}

export interface LineHost {
  /** The link takes frames now. */
  ready(): boolean;
  write(frame: Uint8Array): void;
  acknowledge(received: number): void;
  /** Room for the add-ons, or the link is away or back. */
  changed(): void;
  /** It cannot go on. */
  over(reason: CodedError): void;
}

/**
 * The device's end of a session that may resume (`proto/resume.ts`): numbers what its add-ons say and keeps it until it
 * has arrived, whatever happens to the sockets in between. Attached or away; away for too long it is over.
 */
export class Line {
  readonly userId: string;
  readonly #host: LineHost;
  readonly #limits: ResumeLimits;
  readonly #kept: Kept;
  readonly #outgoing = new Outgoing();
  readonly #incoming: Incoming;
  #attached = false;
  #paused = false;
  #patience: NodeJS.Timeout | undefined;

  constructor(host: LineHost, userId: string, limits: ResumeLimits, kept: Kept) {
    this.#host = host;
    this.userId = userId;
    this.#limits = limits;
    this.#kept = kept;
    this.#incoming = new Incoming((received) => host.acknowledge(received));
  }

  /** The person is at the other end, as far as is known. */
  get attached(): boolean {
    return this.#attached;
  }

  /** Everything that was said has arrived. */
  get empty(): boolean {
    return this.#outgoing.bytes === 0;
  }

  /** More than an add-on that heeds `send` can ever have said. */
  get overfull(): boolean {
    return this.#outgoing.bytes > this.#limits.buffer + 4 * 1024 * 1024;
  }

  /** The number that the next frame has to have. */
  get seq(): number {
    return this.#outgoing.seq;
  }

  /** Away it takes what it may keep, so that a program on the device works on for a while. */
  get roomy(): boolean {
    const { bytes } = this.#outgoing;
    if (bytes >= this.#limits.buffer || (this.#kept.bytes >= this.#limits.memory && bytes >= share)) return false;
    return !this.#attached || (this.#outgoing.written && !this.#paused && this.#host.ready());
  }

  send(frame: Uint8Array): void {
    this.#kept.bytes += frame.length;
    this.#outgoing.push(frame);
    this.pump();
  }

  /** Writes what waits, as far as there is room. */
  pump(): void {
    while (this.#attached && !this.#paused && this.#host.ready()) {
      const frame = this.#outgoing.take();
      if (!frame) return;
      this.#host.write(frame);
    }
  }

  /** The person's end has everything up to this number. */
  acknowledge(received: number): void {
    this.#forget(() => this.#outgoing.acknowledge(received));
  }

  /** True: a numbered message is the next one; false: it was here already, or is of a link that is gone. */
  accept(seq: number, bytes: number): boolean {
    let fresh = false;
    this.#safely(() => (fresh = this.#attached && this.#incoming.accept(seq)));
    if (fresh) this.#incoming.take(bytes);
    return fresh;
  }

  /** The person's end is there and has what it says; gives back what this end has. Throws `lost`. */
  attach(received: number): number {
    this.#forget(() => this.#outgoing.rewind(received), true);
    clearTimeout(this.#patience);
    this.#incoming.told();
    this.#attached = true;
    this.#paused = false;
    return this.#incoming.received;
  }

  /** The link, or the person, is away: what is not back in time is over. `within`: seconds, if less than usual. */
  suspend(within = Infinity): void {
    const seconds = Math.min(within, this.#limits.within);
    if (!this.#attached && seconds === this.#limits.within) return;
    this.#attached = false;
    this.#incoming.told();
    clearTimeout(this.#patience);
    const over = (): void => this.#host.over(new CodedError('lost', `nobody came back within ${seconds} s`));
    this.#patience = setTimeout(over, seconds * 1000);
  }

  set paused(paused: boolean) {
    this.#paused = paused;
    if (!paused) this.pump();
  }

  get within(): number {
    return this.#limits.within;
  }

  /** It is over: nothing is kept any more. */
  end(): void {
    clearTimeout(this.#patience);
    this.#incoming.told();
    this.#attached = false;
    this.#kept.bytes -= this.#outgoing.bytes;
    this.#outgoing.restore(1, []);
  }

  #forget(change: () => void, strict = false): void {
    const before = this.#outgoing.bytes;
    if (strict) change();
    else this.#safely(change);
    this.#kept.bytes -= before - this.#outgoing.bytes;
    this.#host.changed();
  }

  #safely(change: () => void): void {
    try {
      change();
    } catch (error) {
      if (codeOf(error) !== 'lost') throw error;
      this.#host.over(error as CodedError);
    }
  }
}
