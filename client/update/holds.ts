import { EventEmitter } from 'node:events';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Clock } from '../retries.ts';
import type { Journal } from './journal.ts';

export interface HoldsOptions {
  readonly journal: Journal;
  /** `DeferLimitSeconds`: for how long one update may be held in all. */
  readonly limit: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Unix time in ms. */
  readonly now?: () => number;
}

/** What became of the wait: it is over, or its time came to look after the server, or the client must stop. */
export type Waited = 'over' | 'look' | 'stopped';

/**
 * Somebody on the device asks an update to wait. A deferral is kept in the journal, so it outlives a restart; time is
 * counted by the monotonic clock, and a wall clock that was set can only shorten what a restart finds.
 */
export class Holds extends EventEmitter<{ changed: [] }> {
  readonly #options: HoldsOptions;
  /** ms of the monotonic clock. */
  #end = 0;
  /** The update that is held now: since when, and until when at most, ms of the monotonic clock. */
  #held: { readonly latest: number } | undefined;
  #loaded = false;
  #wake: (() => void) | undefined;
  constructor(options: HoldsOptions) {
    super();
    this.#options = options;
  }

  /** Until when, Unix time in s; 0: nothing is deferred. */
  get until(): number {
    const left = this.#left();
    return left > 0 ? Math.ceil((this.#now() + left) / 1000) : 0;
  }

  /** For how many seconds more the update may be held. */
  get left(): number {
    const { limit } = this.#options;
    return this.#held ? Math.max(0, this.#seconds(this.#held.latest - performance.now())) : limit;
  }

  /** Somebody asks for time; answers until when it is given, Unix time in s. Throws `defer_limit`, `usage`. */
  defer(seconds: number): number {
    const { limit, journal, log, clock } = this.#options;
    if (seconds < 1) throw new CodedError('usage', 'seconds must be 1 or more; Proceed ends a deferral');
    if (limit === 0) throw new CodedError('defer_limit', 'DeferLimitSeconds in mender.conf is 0: nothing is deferred');
    const granted = Math.min(seconds, this.left);
    if (granted < 1)
      throw new CodedError(
        'defer_limit',
        `this update was held for ${limit} s, which is DeferLimitSeconds: it goes on`,
      );
    const until = Math.ceil((this.#now() + granted * clock.second) / 1000);
    journal.write((record) => ({ ...record, deferral: { until, seconds: granted } }));
    this.#loaded = true;
    this.#end = performance.now() + granted * clock.second;
    log.info('update deferred', { seconds: granted, ...(granted < seconds ? { asked: seconds, limit } : {}) });
    this.#changed();
    return until;
  }

  /** Nobody needs time any more. */
  proceed(): void {
    this.#options.log.info('update may go on');
    this.#drop();
  }

  /**
   * Waits while somebody asks for it, at most `look` seconds. `spent`: seconds that this update was held for already.
   * Call `released` when the update goes on.
   */
  async wait(spent: number, look: number, signal: AbortSignal): Promise<Waited> {
    const { limit, clock } = this.#options;
    this.#held ??= { latest: performance.now() + Math.max(0, limit - spent) * clock.second };
    const ms = Math.min(this.#left(), look * clock.second);
    if (ms > 0) await this.#sleep(ms, signal);
    if (signal.aborted) return 'stopped';
    return this.#left() > 0 ? 'look' : 'over';
  }

  /** Somebody asks for time now. */
  get asked(): boolean {
    return this.#left() > 0;
  }

  /** The update goes on; a deferral that has run out is forgotten. */
  released(): void {
    this.#held = undefined;
    if (this.#left() <= 0 && this.#end > 0) this.#drop();
  }

  /** ms. */
  #left(): number {
    if (!this.#loaded) this.#load();
    const end = this.#held ? Math.min(this.#end, this.#held.latest) : this.#end;
    return Math.max(0, end - performance.now());
  }

  #load(): void {
    const { journal, clock, limit } = this.#options;
    this.#loaded = true;
    const { deferral } = journal.read();
    if (!deferral) return;
    // Whatever the clock says, not longer than was given.
    const left = Math.min((deferral.until - this.#now() / 1000) * 1000, deferral.seconds * clock.second);
    this.#end = performance.now() + Math.min(left, limit * clock.second);
  }

  #drop(): void {
    const { journal, log } = this.#options;
    this.#end = 0;
    this.#loaded = true;
    try {
      if (journal.read().deferral) journal.write(({ deferral: _, ...record }) => record);
    } catch (error) {
      // It is over in memory; a restart finds it run out, or asks once more.
      log.warn('end of the deferral not stored', { error: messageOf(error), code: codeOf(error) });
    }
    this.#changed();
  }

  #changed(): void {
    this.#wake?.();
    this.emit('changed');
  }

  #sleep(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, Math.min(Math.ceil(ms), 0x7fffffff));
      signal.addEventListener('abort', end, { once: true });
      if (signal.aborted) return end();
      this.#wake = end;
    });
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  #seconds(ms: number): number {
    return Math.floor(ms / this.#options.clock.second);
  }
}
