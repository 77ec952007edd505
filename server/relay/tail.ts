/** Of the output of a terminal, what somebody is shown who comes later, bytes. */
const kept = 64 * 1024;

/** The last of a stream of bytes, in memory that grows with need. */
export class Tail {
  #buffer = Buffer.alloc(0);
  #used = 0;

  get bytes(): Uint8Array {
    return Buffer.from(this.#buffer.subarray(Math.max(0, this.#used - kept), this.#used));
  }

  push(bytes: Uint8Array): void {
    const more = bytes.subarray(Math.max(0, bytes.length - kept));
    if (this.#used + more.length > this.#buffer.length) this.#makeRoom(more.length);
    this.#buffer.set(more, this.#used);
    this.#used += more.length;
  }

  /** Twice as much as is kept, so that the old is moved away once in a while and not each time. */
  #makeRoom(more: number): void {
    const old = this.#buffer.subarray(Math.max(0, this.#used - kept), this.#used);
    const size = Math.min(2 * kept, Math.max(1024, 2 * (old.length + more)));
    const room = size === this.#buffer.length ? this.#buffer : Buffer.alloc(size);
    room.set(old, 0);
    this.#buffer = room;
    this.#used = old.length;
  }
}
