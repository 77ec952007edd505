export interface SilenceTimes {
  /** Silence of a peer, ms, after which it is asked, and after which it is over (C-29). */
  readonly ask: number;
  readonly end: number;
}

export interface SilenceDuties {
  /** Silence means nothing just now: it counts from here on. */
  excused(): boolean;
  ask(): void;
  over(): void;
}

/** Whether a peer is still heard. One timer, which looks at the clock when it fires: a message costs no timer. */
export class Silence {
  readonly #times: SilenceTimes;
  readonly #duties: SilenceDuties;
  #heard = performance.now();
  #asked = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(times: SilenceTimes, duties: SilenceDuties) {
    this.#times = times;
    this.#duties = duties;
    this.arm();
  }

  heard(): void {
    this.#heard = performance.now();
    this.#asked = false;
  }

  /** Whether it is excused may be another now. */
  arm(): void {
    clearTimeout(this.#timer);
    const { ask, end } = this.#times;
    const due = this.#heard + (this.#asked ? end : ask) - performance.now();
    this.#timer = setTimeout(() => this.#look(), Math.max(due, 1));
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #look(): void {
    const silence = performance.now() - this.#heard;
    const { ask, end } = this.#times;
    if (this.#duties.excused()) this.#heard = performance.now();
    else if (silence >= end - 1) return this.#duties.over();
    else if (silence >= ask - 1 && !this.#asked) {
      this.#asked = true;
      this.#duties.ask();
    }
    this.arm();
  }
}
