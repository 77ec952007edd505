import { HttpError } from '../errors.ts';
import type { Caller } from './route.ts';

/** Requests a minute that one caller may make; 0: any number. As many may come at once after a rest. */
export interface Rates {
  readonly device: number;
  readonly user: number;
}

/** Callers remembered before those that are at rest are forgotten. */
const sweepAt = 100_000;

/**
 * A leaky bucket per caller that is one number each: when he would have used up what he did (generic cell rate
 * algorithm). Whoever is not over his rate costs one look into a map.
 */
export class Bucket {
  readonly #interval: number;
  readonly #burst: number;
  readonly #usedUp = new Map<string, number>();
  #sweepAt = sweepAt;

  constructor(perMinute: number) {
    this.#interval = 60_000 / perMinute;
    this.#burst = 60_000 - this.#interval;
  }

  get size(): number {
    return this.#usedUp.size;
  }

  /** How long to wait, ms; 0: go on, it is counted. */
  take(id: string, now: number): number {
    const at = this.#usedUp.get(id) ?? 0;
    if (at - now > this.#burst) return at - now - this.#burst;
    this.#usedUp.set(id, (at > now ? at : now) + this.#interval);
    if (this.#usedUp.size > this.#sweepAt) this.#sweep(now);
    return 0;
  }

  #sweep(now: number): void {
    for (const [id, at] of this.#usedUp) if (at <= now) this.#usedUp.delete(id);
    this.#sweepAt = Math.max(sweepAt, this.#usedUp.size * 2);
  }
}

/** Keeps one caller from taking the server for himself (lessons, ask 7 and 20). */
export class RateLimits {
  /** Requests that were refused. */
  readonly refused = { device: 0, user: 0 };
  readonly #buckets: Readonly<Record<'device' | 'user', Bucket | undefined>>;
  readonly #now: () => number;

  constructor({ device, user }: Rates, now: () => number = () => performance.now()) {
    this.#buckets = {
      device: device > 0 ? new Bucket(device) : undefined,
      user: user > 0 ? new Bucket(user) : undefined,
    };
    this.#now = now;
  }

  /** Counts a request. Throws 429 with the time to wait. */
  take(caller: Pick<Caller, 'kind'> & { readonly id?: string }): void {
    if (caller.kind === 'anyone') return;
    const wait = this.#buckets[caller.kind]?.take(caller.id ?? '', this.#now()) ?? 0;
    if (wait === 0) return;
    this.refused[caller.kind]++;
    const seconds = Math.ceil(wait / 1000);
    throw new HttpError('too_many_requests', `too many requests: try again in ${seconds} s`, {
      headers: { 'Retry-After': String(seconds) },
    });
  }
}
