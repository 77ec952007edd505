/** Wishes from outside (SIGUSR1, SIGUSR2, a screen's button): kept until the daemon is idle and takes them. */
export class Nudges {
  #check = false;
  #inventory = false;
  #wake: (() => void) | undefined;

  /** Look for a deployment now. */
  check(): void {
    this.#check = true;
    this.#wake?.();
  }

  /** Send the inventory now. */
  inventory(): void {
    this.#inventory = true;
    this.#wake?.();
  }

  take(): { readonly check: boolean; readonly inventory: boolean } {
    const taken = { check: this.#check, inventory: this.#inventory };
    this.#check = false;
    this.#inventory = false;
    return taken;
  }

  /** Waits for `ms`, or until a wish is there, or the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void> {
    if (this.#check || this.#inventory || signal.aborted || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', end);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, Math.min(ms, 0x7fffffff));
      signal.addEventListener('abort', end, { once: true });
      this.#wake = end;
    });
  }
}
