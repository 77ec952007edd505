import { createHash } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { tarEnd, tarHeader, tarPadding } from '#artifact';
import { syncFolder } from '#base/durable';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Sum } from './format.ts';

/** A tar that is there as a whole, and on the disk, or not at all. Readable by its owner only: it holds keys. */
export class BackupWriter implements AsyncDisposable {
  readonly sums: Sum[] = [];
  readonly #path: string;
  readonly #part: string;
  readonly #file: FileHandle;
  readonly #modified = Date.now() / 1000;
  #bytes = 0;
  #done = false;

  private constructor(path: string, file: FileHandle) {
    this.#path = path;
    this.#part = partOf(path);
    this.#file = file;
  }

  /** Throws `backup_exists`, or `backup_unwritable` in words for a person. */
  static async create(path: string): Promise<BackupWriter> {
    try {
      // Taken, or a folder that is not there: said before anything is read.
      await (await open(path, 'r')).close();
      throw new CodedError('backup_exists', `${path} is there already: give another name, or remove it`);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
    try {
      return new BackupWriter(path, await open(partOf(path), 'w', 0o600));
    } catch (error) {
      throw new CodedError('backup_unwritable', `cannot write ${path}: ${messageOf(error)}`, { cause: error });
    }
  }

  /** Bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  async member(name: string, content: Uint8Array): Promise<void> {
    await this.stream(name, content.length, [content]);
  }

  /** A member of a size that is known before; what comes past that is left out. */
  async stream(name: string, size: number, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const hash = createHash('sha256');
    await this.#write(tarHeader({ name, size, mode: 0o600, modified: this.#modified }));
    let left = size;
    for await (const chunk of chunks) {
      const taken = chunk.length > left ? chunk.subarray(0, left) : chunk;
      hash.update(taken);
      await this.#write(taken);
      left -= taken.length;
      if (left === 0) break;
    }
    if (left > 0) throw new CodedError('backup_changed', `${name} became shorter while it was read: try again`);
    await this.#write(tarPadding(size));
    this.sums.push({ name, size, sha256: hash.digest('hex') });
  }

  async commit(): Promise<void> {
    await this.#write(tarEnd);
    await this.#file.sync();
    await this.#file.close();
    await rename(this.#part, this.#path);
    this.#done = true;
    await syncFolder(dirname(this.#path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#done) return;
    await this.#file.close().catch(() => {});
    await rm(this.#part, { force: true });
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += (await this.#file.write(bytes, at)).bytesWritten;
    this.#bytes += bytes.length;
  }
}

const partOf = (path: string): string => `${path}.part`;
