import { HttpError } from '../errors.ts';
import type { Caller } from './route.ts';

/** Requests a minute that one caller may make; 0: any number. As many may come at once after a rest. */
export interface Rates {
  readonly device: number;
  readonly user: number;
  /** Of whoever has no token yet, by his address. */
  readonly address: number;
}

/** Callers that are remembered at most. */
const limit = 100_000;

/**
 * A leaky bucket per caller that is one number each: when he would have used up what he did (generic cell rate
 * algorithm). Whoever is not over his rate costs one look into a map.
 */
export class Bucket {
  readonly #interval: number;
  readonly #burst: number;
  readonly #usedUp = new Map<string, number>();

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
    if (this.#usedUp.size > limit) this.#sweep(now);
    return 0;
  }

  /** Those at rest are forgotten, and if too few are, those that came first: they may come as often again. */
  #sweep(now: number): void {
    for (const [id, at] of this.#usedUp) if (at <= now) this.#usedUp.delete(id);
    let over = this.#usedUp.size - limit / 2;
    for (const id of this.#usedUp.keys()) if (over-- > 0) this.#usedUp.delete(id);
  }
}

/** Keeps one caller from taking the server for himself (lessons, ask 7 and 20). */
export class RateLimits {
  /** Requests that were refused. */
  readonly refused = { device: 0, user: 0, address: 0 };
  readonly #buckets: Readonly<Record<keyof Rates, Bucket | undefined>>;
  readonly #now: () => number;

  constructor({ device, user, address }: Rates, now: () => number = () => performance.now()) {
    const bucket = (perMinute: number) => (perMinute > 0 ? new Bucket(perMinute) : undefined);
    this.#buckets = { device: bucket(device), user: bucket(user), address: bucket(address) };
    this.#now = now;
  }

  /** Counts a request. Throws 429 with the time to wait. */
  take(caller: Pick<Caller, 'kind'> & { readonly id?: string }): void {
    if (caller.kind !== 'anyone') this.#take(caller.kind, caller.id ?? '');
  }

  /** The same for a request that costs work before it is known whose it is. */
  takeFrom(address: string): void {
    this.#take('address', networkOf(address));
  }

  #take(kind: keyof Rates, id: string): void {
    const wait = this.#buckets[kind]?.take(id, this.#now()) ?? 0;
    if (wait === 0) return;
    this.refused[kind]++;
    const seconds = Math.ceil(wait / 1000);
    throw new HttpError('too_many_requests', `too many requests: try again in ${seconds} s`, {
      headers: { 'Retry-After': String(seconds) },
    });
  }
}

/** Whoever has one IPv6 address has the 2^64 of its network: those count as one. */
function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '');
  if (!plain.includes(':')) return plain;
  const [head = '', tail] = plain.split('::');
  const left = head.split(':').filter((part) => part !== '');
  const right = (tail ?? '').split(':').filter((part) => part !== '');
  const missing = Math.max(0, 8 - left.length - right.length);
  return [...left, ...Array<string>(missing).fill('0'), ...right].slice(0, 4).join(':');
}
