import type { ByteReader } from './byte-reader.ts';
import { ArtifactError, shown } from './errors.ts';
import type { Limits } from './limits.ts';
import { blockSize, decodeName, parsePax, parseTarHeader, paxNumber, type TarHeader } from './tar-header.ts';

/** More extension headers than this before one entry serve nobody. */
const mostExtensions = 8;

/**
 * Reads the tar dialects of `artifact-format.md` §2, entry by entry: ustar, pax `path` and `size`, GNU long names. The
 * caller judges the type; content that it leaves unread is skipped by the next `next()`.
 */
export class TarReader {
  readonly #bytes: ByteReader;
  readonly #where: string;
  readonly #limits: Limits;
  /** Bytes of the current entry's content, and of the padding behind it, that are still to come. */
  #content = 0;
  #padding = 0;
  #current = '';
  /** Where the current entry begins, its extension headers included; bytes from the start of the archive. */
  start = 0;

  /** `where` names the archive in errors; '' for the artifact itself. */
  constructor(bytes: ByteReader, where: string, limits: Limits) {
    this.#bytes = bytes;
    this.#where = where;
    this.#limits = limits;
  }

  /** The next entry; undefined when the archive has ended, and then only zeros followed, to the end of the source. */
  async next(): Promise<TarHeader | undefined> {
    for await (const _ of this.content());
    await this.#skipPadding();
    this.start = this.#bytes.position;
    let longName: string | undefined;
    let pax: ReadonlyMap<string, string> = new Map();
    for (let extensions = 0; extensions <= mostExtensions; extensions++) {
      const header = await this.#header();
      if (!header) {
        if (extensions) throw new ArtifactError('truncated', `${this.#archive}: ends after a tar extension header`);
        return undefined;
      }
      if (header.type === 'x') pax = new Map([...pax, ...parsePax(await this.#record(header), this.#archive)]);
      else if (header.type === 'L') longName = this.#longName(await this.#record(header));
      else return this.#enter(header, longName, pax);
    }
    throw new ArtifactError('tar-corrupt', `${this.#archive}: too many tar extension headers before one entry`);
  }

  /** What is left of the current entry's content, as it comes. */
  async *content(): AsyncGenerator<Uint8Array, void, undefined> {
    while (this.#content > 0) {
      const chunk = await this.#bytes.some(this.#content);
      if (!chunk) throw this.#truncated();
      this.#content -= chunk.length;
      yield chunk;
    }
  }

  /** The whole content of the current entry, which must not be longer than `limit`. */
  async whole(entry: TarHeader, limit: number): Promise<Uint8Array> {
    if (entry.size > limit)
      throw new ArtifactError(
        'limit-exceeded',
        `${this.#member(entry.name)}: ${entry.size} bytes, the limit is ${limit}`,
      );
    const content = await this.#bytes.upTo(entry.size);
    this.#content -= content.length;
    if (this.#content) throw this.#truncated();
    // A copy: the source may use its buffers again.
    return Buffer.from(content);
  }

  #enter(header: TarHeader, longName: string | undefined, pax: ReadonlyMap<string, string>): TarHeader {
    const name = pax.get('path') ?? longName ?? header.name;
    if (name.includes('\0'))
      throw new ArtifactError('tar-corrupt', `${this.#archive}: a tar entry's name contains NUL`);
    const size = pax.get('size');
    const entry = { ...header, name, size: size === undefined ? header.size : paxNumber(size, this.#archive) };
    // Links, devices and directories have no content, whatever their size field says.
    this.#begin(/[1-6]/.test(header.type) ? { ...entry, size: 0 } : entry);
    return entry;
  }

  #begin(entry: TarHeader): void {
    this.#content = entry.size;
    this.#padding = (blockSize - (entry.size % blockSize)) % blockSize;
    this.#current = entry.name;
  }

  async #record(header: TarHeader): Promise<Uint8Array> {
    this.#begin(header);
    const record = await this.whole(header, this.#limits.tarRecord);
    await this.#skipPadding();
    return record;
  }

  #longName(record: Uint8Array): string {
    const end = record.indexOf(0);
    return decodeName(end < 0 ? record : record.subarray(0, end), this.#archive);
  }

  async #header(): Promise<TarHeader | undefined> {
    const block = await this.#bytes.upTo(blockSize);
    if (block.length === 0) return undefined;
    if (block.length < blockSize) throw new ArtifactError('truncated', `${this.#archive}: ends inside a tar header`);
    if (!isZero(block)) return parseTarHeader(block, this.#archive);
    await this.#end();
    return undefined;
  }

  async #end(): Promise<void> {
    let zeros = blockSize;
    for (let chunk; (chunk = await this.#bytes.some(this.#limits.padding));) {
      if (!isZero(chunk))
        throw new ArtifactError('trailing-data', `${this.#archive}: data after the end of the archive`);
      zeros += chunk.length;
      if (zeros > this.#limits.padding)
        throw new ArtifactError(
          'limit-exceeded',
          `${this.#archive}: more than ${this.#limits.padding} bytes of padding at the end`,
        );
    }
  }

  async #skipPadding(): Promise<void> {
    while (this.#padding > 0) {
      const chunk = await this.#bytes.some(this.#padding);
      if (!chunk) throw this.#truncated();
      this.#padding -= chunk.length;
    }
  }

  #truncated(): ArtifactError {
    return new ArtifactError('truncated', `${this.#member(this.#current)}: the archive ends inside it`);
  }

  #member(name: string): string {
    return this.#where ? `${this.#where}: ${shown(name)}` : shown(name);
  }

  get #archive(): string {
    return this.#where || 'artifact';
  }
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}
