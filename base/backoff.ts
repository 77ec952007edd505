export interface BackoffOptions {
  /** First delay, ms. */
  readonly first: number;
  /** Ceiling of a delay, ms. */
  readonly ceiling: number;
  /** Growth per attempt. */
  readonly factor?: number;
  /** 0…1: the share of a delay that is random, so that a fleet does not come back in step. */
  readonly jitter?: number;
  readonly random?: () => number;
}

/** Retry delays: `next()` gives the delay of the next attempt in ms, `reset()` after a success. */
export class Backoff {
  readonly #options: Required<BackoffOptions>;
  #attempt = 0;
  constructor(options: BackoffOptions) {
    this.#options = { factor: 2, jitter: 0.5, random: Math.random, ...options };
  }
  next(): number {
    const { first, ceiling, factor, jitter, random } = this.#options;
    const full = Math.min(ceiling, first * factor ** this.#attempt++);
    return full * (1 - jitter) + full * jitter * random();
  }
  reset(): void {
    this.#attempt = 0;
  }
}

/** Waits, or returns early (without throwing) when the signal aborts. True: the time was waited out. */
export function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const early = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', early);
      resolve(true);
    }, ms);
    signal.addEventListener('abort', early, { once: true });
  });
}
