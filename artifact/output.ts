import { randomBytes } from 'node:crypto';
import { mkdtemp, open, rename, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Where an artifact goes. The payload comes first, behind room for what stands before it and holds its checksums.
 * `abandon` may come at any time, and leaves nothing behind.
 */
export interface Output {
  open(room: number): Promise<void>;
  append(chunks: readonly Uint8Array[]): Promise<void>;
  finish(front: Buffer): Promise<void>;
  abandon(): Promise<void>;
}

/** A file, under another name until it is complete. */
export class FileOutput implements Output {
  readonly #path: string;
  readonly #partial: string;
  #file: FileHandle | undefined;
  #at = 0;

  constructor(path: string) {
    this.#path = path;
    this.#partial = `${path}.${randomBytes(6).toString('hex')}.part`;
  }

  async open(room: number): Promise<void> {
    this.#at = room;
    this.#file = await open(this.#partial, 'wx', 0o666);
  }

  async append(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#file) this.#at += await writeAll(this.#file, chunks, this.#at);
  }

  async finish(front: Buffer): Promise<void> {
    if (this.#file) await writeAll(this.#file, [front], 0);
    await this.#file?.close();
    await rename(this.#partial, this.#path);
    this.#file = undefined;
  }

  async abandon(): Promise<void> {
    if (!this.#file) return;
    await this.#file.close();
    await rm(this.#partial, { force: true });
    this.#file = undefined;
  }
}

/** A stream. The payload waits in a temporary file, since what stands before it is not known earlier. */
export class StreamOutput implements Output {
  readonly #stream: Writable;
  #folder: string | undefined;
  #file: FileHandle | undefined;
  #size = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  async open(): Promise<void> {
    this.#folder = await mkdtemp(join(tmpdir(), 'patchbay-artifact-'));
    this.#file = await open(join(this.#folder, 'payload'), 'wx+', 0o600);
  }

  async append(chunks: readonly Uint8Array[]): Promise<void> {
    if (this.#file) this.#size += await writeAll(this.#file, chunks, this.#size);
  }

  async finish(front: Buffer): Promise<void> {
    const file = this.#file;
    async function* all() {
      yield front;
      if (file) yield* file.createReadStream({ start: 0, autoClose: false }) as AsyncIterable<Buffer>;
    }
    // Standard output must stay open: others may write to it after us.
    await pipeline(Readable.from(all(), { objectMode: false }), this.#stream, { end: false });
    await this.abandon();
  }

  async abandon(): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
    this.#folder = undefined;
  }
}

/** Memory, for artifacts that are known to be small. */
export class MemoryOutput implements Output {
  #chunks: Uint8Array[] = [];

  open(): Promise<void> {
    return Promise.resolve();
  }

  append(chunks: readonly Uint8Array[]): Promise<void> {
    // A copy: sources may use their buffers again.
    this.#chunks.push(Buffer.concat(chunks));
    return Promise.resolve();
  }

  finish(front: Buffer): Promise<void> {
    this.#chunks.unshift(front);
    return Promise.resolve();
  }

  abandon(): Promise<void> {
    this.#chunks = [];
    return Promise.resolve();
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }
}

/** Writes all of it. Returns how many bytes that were. */
async function writeAll(file: FileHandle, chunks: readonly Uint8Array[], position: number): Promise<number> {
  let left = chunks;
  let done = 0;
  while (left.length) {
    const { bytesWritten } = await file.writev(left, position + done);
    done += bytesWritten;
    left = without(left, bytesWritten);
  }
  return done;
}

/** What is left when the first `taken` bytes are gone: a nearly full disk takes a part. */
function without(chunks: readonly Uint8Array[], taken: number): Uint8Array[] {
  let skipped = 0;
  return chunks.flatMap((chunk) => {
    const rest = chunk.subarray(Math.max(0, taken - skipped));
    skipped += chunk.length;
    return rest.length ? [rest] : [];
  });
}
