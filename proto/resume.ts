import { CodedError } from '#base/errors';

/*
 * Sessions that outlive their links. The device's add-on (a shell, forwarded ports) and the person's program are the
 * two ends; between them lie two sockets and a server, and each of the three may be lost at any moment. So nothing in
 * the middle keeps anything that matters: the ends number their messages, keep what the other has not acknowledged,
 * and after a loss each tells the other what it has. Every message arrives once and in order, or the session is over
 * and says so.
 *
 *   negotiation  The person's program and the device name `resume` in `extensionsHeader`. The server's first message to
 *                such a person is `session`; with `resume: false` (a stock device, an old one) all is as in the reference.
 *   numbers      `hdr.seq`, from 1, for the messages of add-ons, each direction by itself. Control messages have none,
 *                nor has what the server says in somebody's place (a `stop`, the keys of a guest): they are not repeated.
 *   attach       The person's end begins with `attach { received: 0, fresh: true }` and may go on at once. After a loss
 *                it sends `attach { received }` when `session` or `link` says that the device is there, and waits; the
 *                device answers `attached { received, within }`, and both repeat what the other has not. Numbered
 *                messages that come before are dropped: they will be repeated. `fresh` stays true until the first
 *                `attached`, so that a link that is lost right at the beginning costs nothing.
 *   ack          `ack { received }` after `ackTime`, a short while after `ackBytes`, or at once after `ackMost`. What is acknowledged is
 *                forgotten; what is not is bounded (`Outgoing.bytes`), and a sender that reaches the bound waits.
 *   the end      `stop`, control `close` and control `error` with `close` mean what they mean in the reference. A device
 *                that does not know the session, or does not hold what is missing, or is asked by somebody else than the
 *                one who began it, answers `attach` with such an error. An add-on that has ended while its person was
 *                away is kept until its last words are acknowledged.
 *
 *   state of an end   attached ──(socket lost; `link up: false`; `suspend`)──▶ away ──(attach … attached)──▶ attached
 *                     away ──(`within` seconds)──▶ over
 *
 * A number that skips one is a fault of a program, not of a link: the session ends.
 */

/** Bytes that may have arrived before the sender is told at once. */
export const ackMost = 256 * 1024;
/** After so many it is told soon, ms: of a stream not each message is worth an answer. */
export const ackBytes = 32 * 1024;
export const ackSoon = 10;
/** Time after which it is told of less, ms. */
export const ackTime = 500;

/** The messages of one direction, at the end that sends them: numbered, and kept until they are acknowledged. */
export class Outgoing {
  #frames: Uint8Array[] = [];
  /** Place of the oldest in `#frames`: what lies before is forgotten, and cut away now and then. */
  #head = 0;
  #first = 1;
  /** Number of the next to be written to the socket. */
  #next = 1;
  #bytes = 0;

  /** The number that the next message gets; it has to be in the frame that is given to `push`. */
  get seq(): number {
    return this.#first + this.#frames.length - this.#head;
  }

  /** Bytes of frames that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** All has been written to the socket. */
  get written(): boolean {
    return this.#next === this.seq;
  }

  push(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.#bytes += frame.length;
  }

  /** The next frame for the socket, if there is one. */
  take(): Uint8Array | undefined {
    const frame = this.#frames[this.#head + this.#next - this.#first];
    if (frame) this.#next++;
    return frame;
  }

  /** The other end has all up to this number. Throws `lost` for one that it cannot have. */
  acknowledge(received: number): void {
    if (received >= this.#next) throw new CodedError('lost', `message ${received} is acknowledged and was never sent`);
    for (; this.#first <= received; this.#first++, this.#head++) {
      this.#bytes -= this.#frames[this.#head]!.length;
      this.#frames[this.#head] = none;
    }
    if (this.#head < 64 || this.#head * 2 < this.#frames.length) return;
    this.#frames = this.#frames.slice(this.#head);
    this.#head = 0;
  }

  /** A new socket: what the other end has not is written again. Throws `lost` if that is not kept any more. */
  rewind(received: number): void {
    if (received < this.#first - 1) throw new CodedError('lost', 'what is missing is not kept any more');
    this.acknowledge(received);
    this.#next = received + 1;
  }

  /** All that is kept, oldest first. */
  kept(): Uint8Array[] {
    return this.#frames.slice(this.#head);
  }

  /** Takes up where `kept()` of another was: all of it may have arrived. */
  restore(first: number, frames: readonly Uint8Array[]): void {
    this.#first = first;
    this.#frames = [...frames];
    this.#head = 0;
    this.#bytes = frames.reduce((sum, { length }) => sum + length, 0);
    this.#next = this.seq;
  }

  /** Number of the oldest that is kept. */
  get first(): number {
    return this.#first;
  }
}

const none = new Uint8Array();

/** The messages of one direction, at the end that receives them: says which is new, and when to acknowledge. */
export class Incoming {
  readonly #acknowledge: (received: number) => void;
  #received: number;
  #taken: number;
  #told: number;
  #owed = 0;
  #soon = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `acknowledge` sends an `ack`; `received`: where another one was. */
  constructor(acknowledge: (received: number) => void, received = 0) {
    this.#acknowledge = acknowledge;
    this.#received = this.#taken = this.#told = received;
  }

  /** Number of the last message that has arrived. */
  get received(): number {
    return this.#received;
  }

  /** Number of the last that was taken: all up to it may be acknowledged. */
  get taken(): number {
    return this.#taken;
  }

  /** True: it is the next one. False: it has been here before. Throws `lost` if one is missing before it. */
  accept(seq: number): boolean {
    if (seq <= this.#received) return false;
    if (seq !== this.#received + 1)
      throw new CodedError('lost', `message ${seq} came after message ${this.#received}: some are missing`);
    this.#received = seq;
    return true;
  }

  /** The oldest that was not taken yet is taken now, `bytes` of it. */
  take(bytes: number): void {
    this.#taken++;
    this.#owed += bytes;
    if (this.#owed >= ackMost) return this.#tell();
    const soon = this.#owed >= ackBytes;
    if (this.#timer !== undefined && soon === this.#soon) return;
    clearTimeout(this.#timer);
    this.#soon = soon;
    this.#timer = setTimeout(() => this.#tell(), soon ? ackSoon : ackTime);
  }

  /** The other end was told by another message (`attach`, `attached`), or is away: nothing is owed. */
  told(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#owed = 0;
    this.#told = this.#taken;
  }

  #tell(): void {
    const due = this.#taken > this.#told;
    this.told();
    if (due) this.#acknowledge(this.#taken);
  }
}
