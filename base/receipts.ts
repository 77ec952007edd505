/** How long something that was taken may go unsaid, ms: a sender measures the line by it. */
const late = 20;

/** Tells a sender how much of its stream was taken: after so many bytes, or a short while after less. */
export class Receipts {
  readonly #step: number;
  readonly #tell: (taken: number) => void;
  #taken: number;
  #told: number;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `from`: place of the first byte. */
  constructor(step: number, tell: (taken: number) => void, from = 0) {
    this.#step = step;
    this.#tell = tell;
    this.#taken = this.#told = from;
  }

  take(bytes: number): void {
    this.#taken += bytes;
    if (this.#taken - this.#told >= this.#step) this.tell();
    else this.#timer ??= setTimeout(() => this.tell(), late);
  }

  /** Says what is still owed. */
  tell(): void {
    const due = this.#taken > this.#told;
    this.end();
    this.#told = this.#taken;
    if (due) this.#tell(this.#taken);
  }

  /** Nothing more is said. */
  end(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
