interface Entry<T> {
  readonly owner: string;
  readonly value: T;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** Verified tokens, so that a call costs no signature and no query. Forgotten at their end, by owner, or as the oldest. */
export class TokenCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #byOwner = new Map<string, Set<string>>();
  readonly #size: number;
  constructor(size: number) {
    this.#size = size;
  }

  get(token: string): T | undefined {
    const entry = this.#entries.get(token);
    if (!entry) return undefined;
    if (entry.until > Date.now()) return entry.value;
    this.#drop(token, entry.owner);
    return undefined;
  }

  set(token: string, owner: string, value: T, until: number): void {
    if (this.#entries.size >= this.#size) {
      const [oldest] = this.#entries;
      if (oldest) this.#drop(oldest[0], oldest[1].owner);
    }
    this.#entries.set(token, { owner, value, until });
    const tokens = this.#byOwner.get(owner) ?? new Set();
    this.#byOwner.set(owner, tokens.add(token));
  }

  /** All tokens of a device or user: his rights or his state have changed. */
  forget(owner: string): void {
    for (const token of this.#byOwner.get(owner) ?? []) this.#entries.delete(token);
    this.#byOwner.delete(owner);
  }

  clear(): void {
    this.#entries.clear();
    this.#byOwner.clear();
  }

  #drop(token: string, owner: string): void {
    this.#entries.delete(token);
    const tokens = this.#byOwner.get(owner);
    tokens?.delete(token);
    if (tokens?.size === 0) this.#byOwner.delete(owner);
  }
}
