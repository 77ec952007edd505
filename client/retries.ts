import { codeOf } from '#base/errors';
import type { Config } from './config.ts';

/** How long a second is, ms. 1000 but in tests, whose days are shorter. */
export interface Clock {
  readonly second: number;
}

/** What the server asked to wait, ms, on an error that carries it (429 with `Retry-After`). */
const askedDelay = (error: unknown): number | undefined =>
  codeOf(error) === 'too_many_requests' ? (error as { retryAfter?: number }).retryAfter : undefined;

const firstInterval = 60;
const usesOfAnInterval = 3;

/**
 * The back-off of poll, inventory and reports (`update-client.md` §1.5): 60 s, each interval three times, then doubled
 * up to `RetryPollIntervalSeconds`.
 */
export class Retries {
  readonly #config: Pick<Config, 'RetryPollIntervalSeconds' | 'RetryPollCount'>;
  readonly #second: number;
  #tries = 0;
  constructor(config: Pick<Config, 'RetryPollIntervalSeconds' | 'RetryPollCount'>, clock: Clock) {
    this.#config = config;
    this.#second = clock.second;
  }

  /** ms until the next try after `error`; undefined when the tries are used up (and the count starts anew). */
  next(error?: unknown): number | undefined {
    const asked = askedDelay(error);
    if (asked !== undefined) return asked; // not a try of ours: the server chose the time
    const { RetryPollIntervalSeconds: ceiling, RetryPollCount: count } = this.#config;
    const { interval, last } = this.#interval(ceiling);
    if (count > 0 ? this.#tries >= count : last) {
      this.reset();
      return undefined;
    }
    this.#tries += 1;
    return interval * this.#second;
  }

  reset(): void {
    this.#tries = 0;
  }

  /** The interval of this try in s; `last` when the ceiling has been used as often as any interval may. */
  #interval(ceiling: number): { interval: number; last: boolean } {
    let interval = Math.min(firstInterval, ceiling);
    for (let step = Math.floor(this.#tries / usesOfAnInterval); step > 0; step -= 1) {
      if (interval >= ceiling) return { interval: ceiling, last: true };
      interval = Math.min(interval * 2, ceiling);
    }
    return { interval, last: false };
  }
}
