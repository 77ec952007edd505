import type { ByteReader } from './byte-reader.ts';
import { ArtifactError, shown } from './errors.ts';
import type { Limits } from './limits.ts';
import { compressionOf, dataStem, type Compression } from './names.ts';
import type { TarHeader } from './tar-header.ts';
import { TarReader } from './tar-reader.ts';

const plain = ['version', 'manifest', 'manifest.sig', 'manifest-augment'];
const archives = ['header.tar', 'header-augment.tar', dataStem];

/** The members of the outer tar, which come in one order only. Whatever comes instead is named for what it is. */
export class Members {
  readonly #tar: TarReader;
  readonly #seen = new Set<string>();
  /** Read, but not yet taken; null: the archive has ended. */
  #next: TarHeader | null | undefined;

  constructor(bytes: ByteReader, limits: Limits) {
    this.#tar = new TarReader(bytes, '', limits);
  }

  /** The name of the member that comes next; undefined at the end. */
  async peek(): Promise<string | undefined> {
    this.#next ??= (await this.#tar.next()) ?? null;
    return this.#next?.name;
  }

  /** The next member, which must be `stem` with a suffix of compression. */
  async peekTar(stem: string): Promise<{ name: string; compression: Compression }> {
    const name = await this.peek();
    const compression = name === undefined ? undefined : compressionOf(name, stem);
    if (name === undefined || !compression) throw this.#instead(stem);
    return { name, compression };
  }

  /** The whole content of the next member, which must be `name`, and not longer than `limit`. */
  async take(name: string, limit: number): Promise<Uint8Array> {
    await this.peek();
    return this.#tar.whole(this.#enter(name), limit);
  }

  /** The content of the next member, which must be `name`, as it comes. */
  stream(name: string): AsyncGenerator<Uint8Array, void, undefined> {
    this.#enter(name);
    return this.#tar.content();
  }

  /** Checks that nothing comes any more. */
  async end(): Promise<void> {
    if ((await this.peek()) !== undefined) throw this.#instead(undefined);
  }

  #enter(name: string): TarHeader {
    const entry = this.#next;
    if (entry?.name !== name) throw this.#instead(name);
    if (entry.type !== '0') throw new ArtifactError('tar-corrupt', `${name}: not a regular file`);
    this.#seen.add(stemOf(name) ?? name);
    this.#next = undefined;
    return entry;
  }

  #instead(wanted: string | undefined): ArtifactError {
    const name = this.#next?.name;
    if (name === undefined) {
      return this.#seen.size === 0
        ? new ArtifactError('truncated', 'artifact: ends before its first member')
        : new ArtifactError('missing-member', `${wanted ?? 'artifact'}: missing, the artifact ends before it`);
    }
    const stem = stemOf(name);
    if (stem === undefined)
      return new ArtifactError('unexpected-member', `${shown(name)}: no such member in an artifact`);
    if (this.#seen.has(stem)) return new ArtifactError('duplicate-member', `${shown(name)}: comes twice`);
    if (wanted === 'header-augment.tar')
      return new ArtifactError('missing-member', `${wanted}: missing, ${name} comes in its place`);
    return new ArtifactError(
      'bad-order',
      `${name}: comes ${wanted === undefined ? 'after the payload' : `where ${wanted} must be`}`,
    );
  }
}

function stemOf(name: string): string | undefined {
  return plain.includes(name) ? name : archives.find((stem) => compressionOf(name, stem) !== undefined);
}
