const tick = 5000;
/** A value of a minute ago weighs 1/e. */
const weight = 1 - Math.exp(-5 / 60);

/** Bytes per minute as the reference counts them: an average of 5 s steps that fades over a minute (§4.3). */
export class Rate {
  readonly #now: () => number;
  #begun: number;
  #recent = 0;
  #average = 0;

  /** `now` in ms; is for tests. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#begun = now();
  }

  add(bytes: number): void {
    this.#roll();
    this.#recent += bytes;
  }

  /** 0 is no limit. */
  exceeds(limit: number): boolean {
    this.#roll();
    return limit > 0 && this.#average >= limit;
  }

  #roll(): void {
    const steps = Math.floor((this.#now() - this.#begun) / tick);
    if (steps <= 0) return;
    this.#begun += steps * tick;
    this.#average = weight * this.#recent + (1 - weight) * this.#average;
    this.#average *= (1 - weight) ** (steps - 1);
    this.#recent = 0;
  }
}
