/** What is kept of one line, bytes; the rest of it is counted and thrown away. */
export const lineLimit = 64 * 1024;

/** One line of bytes, without its end. */
export type OnLine = (line: Uint8Array) => void;

/** Lines of bytes that come in pieces. Megabytes without an end are one line whose beginning is kept. */
export class Lines {
  readonly #onLine: OnLine;
  readonly #limit: number;
  #kept: Uint8Array[] = [];
  #size = 0;
  /** Bytes since the last end of a line: not given out yet. */
  pending = 0;

  constructor(onLine: OnLine, limit = lineLimit) {
    this.#onLine = onLine;
    this.#limit = limit;
  }

  push(chunk: Uint8Array): void {
    let from = 0;
    for (let at = chunk.indexOf(0x0a); at >= 0; from = at + 1, at = chunk.indexOf(0x0a, from)) {
      this.#keep(chunk.subarray(from, at));
      const line = this.#kept.length === 1 ? this.#kept[0]! : Buffer.concat(this.#kept);
      this.reset();
      this.#onLine(line.at(-1) === 0x0d ? line.subarray(0, -1) : line);
    }
    this.#keep(chunk.subarray(from));
    this.pending += chunk.length - from;
  }

  reset(): void {
    this.#kept = [];
    this.#size = 0;
    this.pending = 0;
  }

  #keep(bytes: Uint8Array): void {
    const room = this.#limit - this.#size;
    if (room <= 0 || (bytes.length === 0 && this.#kept.length > 0)) return;
    // A copy: the buffer that it is part of is used again.
    this.#kept.push(Uint8Array.prototype.slice.call(bytes, 0, room));
    this.#size += Math.min(room, bytes.length);
  }
}
