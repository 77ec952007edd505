/** Slows down guessing: after so many failures in a window, a place must wait for the window to pass. */
export class Throttle {
  readonly #places = new Map<string, { failures: number; since: number }>();
  readonly #options: { readonly failures: number; readonly windowMs: number };
  constructor(options: { failures: number; windowMs: number }) {
    this.#options = options;
  }

  /** Seconds that the place has to wait; 0: it may try. */
  wait(place: string, at = Date.now()): number {
    const known = this.#places.get(place);
    if (!known) return 0;
    const left = known.since + this.#options.windowMs - at;
    if (left <= 0) {
      this.#places.delete(place);
      return 0;
    }
    return known.failures >= this.#options.failures ? Math.ceil(left / 1000) : 0;
  }

  failed(place: string, at = Date.now()): void {
    const known = this.#places.get(place);
    if (known) known.failures++;
    else {
      // Bounded: whoever fills it with made-up names pushes out his own oldest ones.
      if (this.#places.size >= 10_000)
        for (const [oldest] of this.#places) {
          this.#places.delete(oldest);
          break;
        }
      this.#places.set(place, { failures: 1, since: at });
    }
  }

  passed(place: string): void {
    this.#places.delete(place);
  }
}
