/** Does some work when asked, never twice at once, at most once in `rest` ms, and by itself after `later` ms. */
export class Repeater {
  readonly #work: () => Promise<void>;
  readonly #rest: number;
  readonly #later: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #busy = false;
  #asked = false;
  #closed = false;
  #last = -Infinity;

  constructor(work: () => Promise<void>, rest: number, later: number) {
    this.#work = work;
    this.#rest = rest;
    this.#later = later;
  }

  ask(): void {
    this.#asked = true;
    if (!this.#busy) this.#plan(Math.max(0, this.#last + this.#rest - performance.now()));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #plan(wait: number): void {
    clearTimeout(this.#timer);
    if (!this.#closed) this.#timer = setTimeout(() => void this.#do(), wait);
  }

  async #do(): Promise<void> {
    this.#busy = true;
    this.#asked = false;
    this.#last = performance.now();
    try {
      await this.#work();
    } finally {
      this.#busy = false;
      this.#plan(this.#asked ? this.#rest : this.#later);
    }
  }
}
