import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from './host.ts';

/** Devices told together, and how long before the next, ms: each of them asks for its checks at once. */
const portion = 50;
const breath = 100;

/** Tells devices that they are to make other checks; those that are away ask when they are back. */
export class Nudges {
  readonly #host: Pick<Host, 'nudge'>;
  readonly #waiting = new Set<string>();
  #wake: (() => void) | undefined;

  constructor(host: Pick<Host, 'nudge'>) {
    this.#host = host;
  }

  add(deviceIds: Iterable<string>): void {
    for (const id of deviceIds) this.#waiting.add(id);
    this.#wake?.();
  }

  async run(signal: AbortSignal): Promise<void> {
    const stop = (): void => this.#wake?.();
    signal.addEventListener('abort', stop);
    while (!signal.aborted) {
      if (this.#waiting.size === 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      let told = 0;
      for (const id of this.#waiting) {
        this.#waiting.delete(id);
        if (this.#host.nudge(id)) told += 1;
        if (told === portion) break;
      }
      await sleep(breath, undefined, { signal }).catch(() => undefined);
    }
    signal.removeEventListener('abort', stop);
  }
}
