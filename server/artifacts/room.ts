import { HttpError } from '../errors.ts';
import type { Db } from '../store/store.ts';
import { storageUsage } from './store.ts';

/** The part of the room that one upload has taken so far. To be given back when its artifact counts, or is gone. */
export interface Share extends Disposable {
  /** Throws 413 when there is no room for so many bytes more. */
  take(bytes: number): void;
}

/** How much all artifacts together may take, those that are still coming included. */
export class Room {
  /** Bytes; 0: no limit. */
  readonly limit: number;
  readonly #db: Db;
  #coming = 0;

  constructor(db: Db, limit: number) {
    this.#db = db;
    this.limit = limit;
  }

  /** Bytes of all artifacts, and of uploads that wait to be completed. */
  used(): Promise<number> {
    return storageUsage(this.#db);
  }

  async share(): Promise<Share> {
    const used = this.limit > 0 ? await this.used() : 0;
    let taken = 0;
    return {
      take: (bytes) => {
        taken += bytes;
        this.#coming += bytes;
        if (this.limit > 0 && used + this.#coming > this.limit)
          throw new HttpError(
            'too_large',
            `no room: artifacts may take ${this.limit} bytes together, and ${used} are used; remove some that are not needed`,
          );
      },
      [Symbol.dispose]: () => {
        this.#coming -= taken;
        taken = 0;
      },
    };
  }
}
