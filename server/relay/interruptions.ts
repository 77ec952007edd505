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

/** When and for how long a session was interrupted, for the audit log. */
export class Interruptions {
  #list: Interruption[] = [];
  #since = 0;

  get list(): readonly Interruption[] {
    return this.#list;
  }

  begin(lost: Interruption['lost']): void {
    const last = this.#list.at(-1);
    if (last && last.seconds === undefined) return;
    this.#since = performance.now();
    this.#list = [...this.#list.slice(1 - most), { lost, at: new Date().toISOString() }];
  }

  end(): void {
    const last = this.#list.at(-1);
    if (!last || last.seconds !== undefined) return;
    this.#list[this.#list.length - 1] = { ...last, seconds: Math.round((performance.now() - this.#since) / 100) / 10 };
  }
}
