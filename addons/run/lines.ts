/** A line is cut here at the latest, bytes: a command need not say any end of line. */
const longest = 64 * 1024;

/** Whole lines with a prefix: those of several devices come mixed, but none in the middle of another. */
export class Lines {
  readonly #prefix: string;
  readonly #to: NodeJS.WritableStream;
  #rest = Buffer.alloc(0);

  constructor(prefix: string, to: NodeJS.WritableStream) {
    this.#prefix = prefix;
    this.#to = to;
  }

  take(bytes: Uint8Array): Promise<void> | undefined {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const pieces: Buffer[] = [];
    for (;;) {
      const end = this.#rest.indexOf(10);
      const length = end < 0 ? (this.#rest.length > longest ? longest : -1) : end;
      if (length < 0) break;
      pieces.push(Buffer.from(this.#prefix), this.#rest.subarray(0, length), Buffer.from('\n'));
      this.#rest = this.#rest.subarray(end < 0 ? length : length + 1);
    }
    if (pieces.length === 0 || this.#to.write(Buffer.concat(pieces))) return undefined;
    return new Promise((resolve) => void this.#to.once('drain', resolve));
  }

  /** A last line without its end. */
  end(): void {
    if (this.#rest.length > 0)
      this.#to.write(Buffer.concat([Buffer.from(this.#prefix), this.#rest, Buffer.from('\n')]));
    this.#rest = Buffer.alloc(0);
  }
}
