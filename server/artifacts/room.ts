import { HttpError } from '../errors.ts';
import type { Db } from '../store/store.ts';
import { storageUsage } from './store.ts';

/** The part of the room that one upload has taken so far. To be given back when its artifact counts, or is gone. */
export interface Share extends Disposable {
  /** Throws 413 when there is no room for so many bytes more. */
  take(bytes: number): void;
  /** What was taken is in the database now, and stays. */
  keep(): void;
}

/** How much all artifacts together may take, those that are still coming included. */
export class Room {
  /** Bytes; 0: no limit. */
  readonly limit: number;
  readonly #db: Db;
  #coming = 0;
  /** Bytes that came to stay since the server began: a share that is older does not know of them. */
  #kept = 0;

  constructor(db: Db, limit: number) {
    this.#db = db;
    this.limit = limit;
  }

  /** Bytes of all artifacts, and of uploads that wait to be completed. */
  used(): Promise<number> {
    return storageUsage(this.#db);
  }

  async share(): Promise<Share> {
    // Before the question: what comes to stay meanwhile is counted twice rather than not at all.
    const keptBefore = this.#kept;
    const used = this.limit > 0 ? await this.used() : 0;
    let taken = 0;
    let stays = false;
    return {
      take: (bytes) => {
        taken += bytes;
        this.#coming += bytes;
        if (this.limit > 0 && used + (this.#kept - keptBefore) + this.#coming > this.limit)
          throw new HttpError(
            'too_large',
            `no room: artifacts may take ${this.limit} bytes together, and ${used} are used; remove some that are not needed`,
          );
      },
      keep: () => (stays = true),
      [Symbol.dispose]: () => {
        this.#coming -= taken;
        if (stays) this.#kept += taken;
        taken = 0;
      },
    };
  }
}
