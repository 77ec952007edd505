/** Seconds, all of them. */
export interface WatchTimes {
  /** Between two questions to the peer. */
  readonly askEvery: number;
  /** Without a sign of life the peer is dead; told to it as `timeout`. */
  readonly deadAfter: number;
  /** From the start of the shell, or since the last keystroke; at most one of the two. */
  readonly expireAfter?: number;
  readonly expireAfterIdle?: number;
}

export interface WatchEvents {
  ask(timeout: number): void;
  dead(why: string): void;
}

const defaults = { askEvery: 60, deadAfter: 65 };

/** Watches over one shell: that its peer lives, and that it does not outlast its time. Rests until `start()`. */
export class Watch implements Disposable {
  readonly #times: WatchTimes;
  readonly #events: WatchEvents;
  #asking: NodeJS.Timeout | undefined;
  #dying: NodeJS.Timeout | undefined;
  #expiring: NodeJS.Timeout | undefined;

  constructor(times: Partial<WatchTimes>, events: WatchEvents) {
    this.#times = { ...defaults, ...times };
    this.#events = events;
  }

  start(): void {
    const { expireAfter, expireAfterIdle } = this.#times;
    const dead = (why: string): void => this.#events.dead(why);
    this.linked(true);
    const seconds = expireAfterIdle ?? expireAfter;
    if (seconds) this.#expiring = setTimeout(dead, seconds * 1000, 'session expired');
  }

  /** The host says that the peer is away, and for how long it waits is the host's: he is not asked. Or he is back. */
  linked(up: boolean): void {
    clearInterval(this.#asking);
    clearTimeout(this.#dying);
    this.#asking = this.#dying = undefined;
    if (!up) return;
    const { askEvery, deadAfter } = this.#times;
    const dead = (why: string): void => this.#events.dead(why);
    this.#asking = setInterval(() => this.#events.ask(deadAfter), askEvery * 1000);
    this.#dying = setTimeout(dead, deadAfter * 1000, 'health check failed, no answer from the peer');
  }

  /** Any message of the peer. */
  heard(): void {
    this.#dying?.refresh();
  }

  /** A keystroke: only input keeps a shell from being idle. */
  used(): void {
    if (this.#times.expireAfterIdle) this.#expiring?.refresh();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#asking);
    clearTimeout(this.#dying);
    clearTimeout(this.#expiring);
    // A cleared timer comes back to life by refresh().
    this.#dying = this.#expiring = undefined;
  }
}
