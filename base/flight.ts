/** Bytes under way to begin with, and what is never gone below: what a stock peer is always given (`connect-protocol.md` §3.4). */
const least = 80 * 1024;
/** Time for which bytes of ours may stand behind one another on their way, ms. */
const standing = 100;

/**
 * How much of one stream is to be under way: enough to fill the line, and not much more. Whatever else goes over the same
 * line, such as a key press, waits behind it in the buffers of sockets and routers, which take megabytes: a window for a fast
 * line makes a slow one useless for anything else. How full those buffers are is told by how long bytes take until they are
 * acknowledged, beside the shortest time that was seen (after TCP Vegas and FAST): the excess is to be `standing`.
 */
export class Flight {
  #most: number;
  #prompt: boolean;
  readonly #now: () => number;
  #limit = least;
  #sent: number;
  #acknowledged: number;
  /** When what is under way was sent, a few places of it. */
  #times: { readonly place: number; readonly time: number }[] = [];
  #shortest = Infinity;
  /** Once the stream is acknowledged up to here, all that the limit allows was under way, and it is looked at anew. */
  #mark: number | undefined;
  /** More would have been sent since it was looked at, if it had been allowed. */
  #blocked = false;
  /** The line was full once: until then there is no knowing how much it takes. */
  #filled = false;

  /**
   * `most`: bytes that the peer takes under way; `from`: place of the first byte; `prompt`: what arrives is acknowledged
   * soon, however little. Of a peer that waits for a good part of `most` first nothing can be told, and all of it has to go.
   * `now`, ms: for tests.
   */
  constructor(most: number, from = 0, prompt = true, now: () => number = () => performance.now()) {
    this.#most = most;
    this.#prompt = prompt;
    this.#now = now;
    this.#sent = this.#acknowledged = from;
  }

  /** Another stream over the same line, of which what is known stays known. */
  again(most: number, from: number, prompt: boolean): void {
    this.#most = most;
    this.#prompt = prompt;
    this.#sent = this.#acknowledged = from;
    this.#times = [];
    this.#mark = undefined;
    this.#blocked = false;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Largest piece to send: what is under way is to be more than one. */
  get piece(): number {
    return Math.max(1, Math.floor(this.#allowed / 2));
  }

  /** A piece of this size may be sent now; any may when nothing is under way. */
  takes(bytes: number): boolean {
    const underWay = this.#sent - this.#acknowledged;
    if (underWay === 0 || underWay + bytes <= this.#allowed) return true;
    if (!this.#blocked) this.#mark = this.#sent;
    this.#blocked = true;
    return false;
  }

  send(bytes: number): void {
    const last = this.#times.at(-1);
    this.#sent += bytes;
    this.#mark ??= this.#sent;
    // Of many small pieces not each counts.
    if (!last || this.#sent - last.place >= this.piece / 2) this.#times.push({ place: this.#sent, time: this.#now() });
  }

  /** The peer has all up to this place. */
  acknowledge(place: number): void {
    this.#acknowledged = Math.min(this.#sent, Math.max(this.#acknowledged, place));
    const next = this.#times.findIndex((each) => each.place > this.#acknowledged);
    const [latest] = this.#times.splice(0, next < 0 ? this.#times.length : next).slice(-1);
    if (!latest) return;
    const took = Math.max(this.#now() - latest.time, 1);
    this.#shortest = Math.min(this.#shortest, took);
    if (this.#mark === undefined || this.#acknowledged < this.#mark) return;
    this.#adapt(took);
    this.#mark = undefined;
    this.#blocked = false;
  }

  /** Who was not held up has not tried the line: he is given no more, but less if it is full. */
  #adapt(took: number): void {
    const wanted = this.#shortest + standing;
    // Until then what is under way is doubled, and half of it goes out in one burst, which waits for itself.
    if (took > this.#shortest + Math.max(standing, this.#shortest / 2)) this.#filled = true;
    if (!this.#blocked && (!this.#filled || took <= wanted)) return;
    const factor = this.#filled ? Math.min(2, Math.max(0.5, wanted / took)) : 2;
    this.#limit = Math.max(least, Math.floor(this.#allowed * factor));
  }

  get #allowed(): number {
    return this.#prompt ? Math.min(this.#limit, this.#most) : this.#most;
  }
}
