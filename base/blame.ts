import { AsyncLocalStorage } from 'node:async_hooks';

/**
 * Tells whose fault it is when something throws where nobody can catch it: in a timer, an event, a promise that nobody
 * waits for. Without it the fault of one part ends the process, and with it every other one.
 */
export class Blame implements Disposable {
  readonly #parts = new AsyncLocalStorage<string>();
  readonly #told: (part: string, error: unknown) => void;

  /** `told` of each stray fault of a part; those of nobody's end the process as ever. */
  constructor(told: (part: string, error: unknown) => void) {
    this.#told = told;
    process.on('uncaughtException', this.#thrown);
    process.on('unhandledRejection', this.#thrown);
  }

  /** What `work` starts is the part's, however late it happens. */
  run<T>(part: string, work: () => T): T {
    return this.#parts.run(part, work);
  }

  readonly #thrown = (error: unknown): void => {
    const part = this.#parts.getStore();
    if (part !== undefined) return this.#told(part, error);
    // What Node does by itself where nobody listens.
    this[Symbol.dispose]();
    setImmediate(() => {
      throw error;
    });
  };

  [Symbol.dispose](): void {
    process.off('uncaughtException', this.#thrown);
    process.off('unhandledRejection', this.#thrown);
  }
}
