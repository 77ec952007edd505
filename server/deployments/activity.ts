/** Devices that are remembered at once; past that all are forgotten, and asked for again. */
const limit = 500_000;

/**
 * Who has nothing to do, as far as this process can know without the database. Right only where the process is alone with
 * its database, as with SQLite: between several nodes one does not hear of the other's deployments.
 */
export class Activity {
  readonly #alone: boolean;
  /** Device → the count of changes at which it was idle. */
  readonly #idle = new Map<string, number>();
  #changes = 0;

  constructor({ alone }: { readonly alone: boolean }) {
    this.#alone = alone;
  }

  /** To be called after each commit that may have given a device something to do. Everybody is looked up again. */
  changed(): void {
    this.#changes++;
  }

  /** Whether a device is idle: as remembered, or as `look` finds in the database. */
  isIdle(deviceId: string, look: (deviceId: string) => Promise<boolean>): boolean | Promise<boolean> {
    return this.#idle.get(deviceId) === this.#changes || this.#look(deviceId, look);
  }

  async #look(deviceId: string, look: (deviceId: string) => Promise<boolean>): Promise<boolean> {
    // Counted before the look: what is committed during it makes the answer void.
    const changes = this.#changes;
    const idle = await look(deviceId);
    if (idle && this.#alone) {
      if (this.#idle.size >= limit) this.#idle.clear();
      this.#idle.set(deviceId, changes);
    }
    return idle;
  }
}
