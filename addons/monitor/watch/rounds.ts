/**
 * Timers that fire together: a time is moved to the next stroke of a clock that all share, so that ten checks of thirty
 * seconds wake the device twice a minute, not twenty times.
 */
export class Rounds implements Disposable {
  readonly #stroke: number;
  readonly #ticks: () => number;
  readonly #due = new Map<() => void, number>();
  #timer: NodeJS.Timeout | undefined;
  #next = Number.POSITIVE_INFINITY;
  /** How often it has woken. */
  woken = 0;

  /** `stroke` in ms; times that are shorter than it are kept as they are. */
  constructor(stroke = 5000, ticks: () => number = () => performance.now()) {
    this.#stroke = stroke;
    this.#ticks = ticks;
  }

  /** Calls once, in `ms` or a little later; gives back how to call it off. */
  in(ms: number, call: () => void): () => void {
    const exact = this.#ticks() + ms;
    const due = ms < this.#stroke ? exact : Math.ceil(exact / this.#stroke - 0.01) * this.#stroke;
    const own = (): void => call();
    this.#due.set(own, due);
    if (due < this.#next) this.#arm();
    return () => {
      if (this.#due.delete(own) && this.#due.size === 0) this.#arm();
    };
  }

  /** Calls once, a moment later: as `in`, but never longer than a stroke, which tests have short. */
  moment(ms: number, call: () => void): () => void {
    return this.in(Math.min(ms, this.#stroke), call);
  }

  /** Calls again and again until it is called off; all with one period at the same time. */
  every(ms: number, call: () => void): () => void {
    let off: () => void;
    const again = (): void => {
      off = this.in(ms, again);
      call();
    };
    // The first stroke of a period is the same for all who have it.
    const phase = ms - (this.#ticks() % ms);
    off = this.in(phase, again);
    return () => off();
  }

  [Symbol.dispose](): void {
    this.#due.clear();
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#timer);
    this.#next = Math.min(Number.POSITIVE_INFINITY, ...this.#due.values());
    if (this.#next === Number.POSITIVE_INFINITY) return;
    const wait = Math.min(Math.max(0, this.#next - this.#ticks()), 0x7fffffff);
    this.#timer = setTimeout(() => this.#strike(), wait);
  }

  #strike(): void {
    this.woken += 1;
    // A timer may come a millisecond early.
    const now = this.#ticks() + 1;
    const due = this.#due.entries().filter(([, at]) => at <= now);
    try {
      for (const [call] of due.toArray()) if (this.#due.delete(call)) call();
    } finally {
      this.#arm();
    }
  }
}
