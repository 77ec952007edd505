/** A time for which one end of a session was away. */
export interface Interruption {
  /** Who was lost first. */
  readonly lost: 'person' | 'device' | 'server';
  readonly at: string;
  /** Undefined while it lasts. */
  readonly seconds?: number;
}

/** A link may be bad for days: the audit log gets the last of them. */
const most = 50;
/** What a device has beyond its own time to say that a session is over, ms. */
const grace = 30_000;

/** The times in which an end of a session is away: how long it is waited for, and what the audit log is told. */
export class Absence {
  /** For how long the device keeps the session, seconds; it says so itself when it attaches. */
  within = 600;
  readonly #over: () => void;
  #list: Interruption[] = [];
  #since = 0;
  #patience: NodeJS.Timeout | undefined;

  /** `over`: nobody came back in time. */
  constructor(over: () => void) {
    this.#over = over;
  }

  get list(): readonly Interruption[] {
    return this.#list;
  }

  /** The device says when the time is over; if it is away too, the clock here does. */
  begin(lost: Interruption['lost'], seconds = this.within): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(this.#over, seconds * 1000 + grace);
    this.#patience.unref();
    const last = this.#list.at(-1);
    if (last && last.seconds === undefined) return;
    this.#since = performance.now();
    this.#list = [...this.#list.slice(1 - most), { lost, at: new Date().toISOString() }];
  }

  /** Both are there again, or the session is over. */
  end(): void {
    clearTimeout(this.#patience);
    const last = this.#list.at(-1);
    if (!last || last.seconds !== undefined) return;
    this.#list[this.#list.length - 1] = { ...last, seconds: Math.round((performance.now() - this.#since) / 100) / 10 };
  }
}
