interface Kept {
  readonly frozen: string;
  readonly screen: string;
  /** Output that had arrived and was not drawn, a character a byte. */
  readonly undrawn: string;
}

/** Where a page leaves a terminal for the page that the same tab loads next. */
export class Shelf {
  readonly #key: string;
  constructor(device: string) {
    this.#key = `patchbay-terminal-${device}`;
  }
  put(kept: Kept): void {
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(kept));
    } catch {
      // No room, or not allowed: the shell ends when nobody comes back to it.
    }
  }
  take(): Kept | undefined {
    try {
      const text = sessionStorage.getItem(this.#key);
      sessionStorage.removeItem(this.#key);
      return text === null ? undefined : (JSON.parse(text) as Kept);
    } catch {
      return undefined;
    }
  }
}
