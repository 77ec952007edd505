import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '#base/durable';
import { CodedError, codeOf } from '#base/errors';
import { notFound } from '../errors.ts';
import type { Blobs, BlobWriter } from './blobs.ts';

const idShape = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Of a blob that is being written. */
const partSuffix = '.part';
/** Bytes read at once for a download. */
const readSize = 256 * 1024;

/** Opens a folder of blobs, made if it is missing; removes what a crash left half written. */
export async function openFolder(folder: string): Promise<Blobs> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const name of await readdir(folder)) if (name.endsWith(partSuffix)) await rm(join(folder, name));
  return new FolderBlobs(folder);
}

class FolderBlobs implements Blobs {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async create(id: string): Promise<BlobWriter> {
    const part = this.#path(id) + partSuffix;
    return new FolderWriter(await open(part, 'wx', 0o600), part, this.#path(id), this.#folder);
  }

  async open(id: string, range?: { start: number; end: number }): Promise<AsyncIterable<Uint8Array>> {
    try {
      const file = await open(this.#path(id), 'r');
      return file.createReadStream({ ...range, highWaterMark: readSize });
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw notFound(`no blob ${id}`);
      throw error;
    }
  }

  async size(id: string): Promise<number | undefined> {
    try {
      return (await stat(this.#path(id))).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async remove(id: string): Promise<void> {
    await rm(this.#path(id), { force: true });
  }

  async list(): Promise<string[]> {
    return (await readdir(this.#folder)).filter((name) => idShape.test(name));
  }

  async probe(): Promise<void> {
    // With bytes: a full disk still takes a name.
    const writer = await this.create(randomUUID());
    try {
      await writer.write(Buffer.alloc(512));
    } finally {
      await writer.abort();
    }
  }

  async free(): Promise<number | undefined> {
    const { bavail, bsize } = await statfs(this.#folder);
    return bavail * bsize;
  }

  #path(id: string): string {
    // An id comes from the database or has been checked as a UUID; this is the last door before the file system.
    if (!idShape.test(id)) throw new CodedError('blob_id', `not the id of a blob: ${id.slice(0, 64)}`);
    return join(this.#folder, id);
  }
}

class FolderWriter implements BlobWriter {
  readonly #file: FileHandle;
  readonly #part: string;
  readonly #path: string;
  readonly #folder: string;
  #open = true;
  #committed = false;

  constructor(file: FileHandle, part: string, path: string, folder: string) {
    this.#file = file;
    this.#part = part;
    this.#path = path;
    this.#folder = folder;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += (await this.#file.write(bytes, at)).bytesWritten;
  }

  async commit(): Promise<void> {
    await this.#file.sync();
    await this.#close();
    await rename(this.#part, this.#path);
    this.#committed = true;
    await syncFolder(this.#folder);
  }

  async abort(): Promise<void> {
    await this.#close();
    await rm(this.#committed ? this.#path : this.#part, { force: true });
  }

  async #close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#file.close();
  }
}
