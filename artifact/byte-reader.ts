/** Bytes taken from a source by need: nothing is asked of it before somebody wants it. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array();
  /** Bytes taken so far. */
  position = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** Up to `most` bytes, whatever is at hand; undefined at the end. */
  async some(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#source.next();
      if (done) return undefined;
      this.#rest = value;
    }
    const taken = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(taken.length);
    this.position += taken.length;
    return taken;
  }

  /** `length` bytes, or as many as there are before the end. */
  async upTo(length: number): Promise<Uint8Array> {
    const first = await this.some(length);
    if (first === undefined || first.length === length) return first ?? new Uint8Array();
    // Copies: what was taken may be gone when more is asked for.
    const parts = [Buffer.from(first)];
    for (let have = first.length; have < length;) {
      const part = await this.some(length - have);
      if (!part) break;
      parts.push(Buffer.from(part));
      have += part.length;
    }
    return Buffer.concat(parts);
  }

  /** Lets go of the source. What it says to that does not matter any more. */
  close(): void {
    void Promise.resolve(this.#source.return?.()).catch(() => undefined);
  }
}
