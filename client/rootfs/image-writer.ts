import { createHash } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { runChild } from '../child.ts';

const MiB = 1024 * 1024;
/** Bytes read, compared and written at a time. */
const blockSize = MiB;
/** Within a block, runs of these differ or do not. */
const pageSize = 64 * 1024;
/** Bytes written before they must be on the disk: a slow one shall not owe more than this at the end. */
const flushEvery = 32 * MiB;

export interface Image {
  readonly content: AsyncIterable<Uint8Array>;
  /** Bytes. */
  readonly size: number;
}

export interface Written {
  readonly bytes: number;
  /** Of these, what was there already and was left alone. */
  readonly same: number;
}

/**
 * Writes an image into a partition while it arrives; only what differs from what is there is written, which spares flash
 * and time. All of it is on the disk when this returns. `alive` is asked for each chunk and throws to give up. Throws
 * `rootfs_write`.
 */
export async function writeImage(device: string, image: Image, alive: () => void): Promise<Written> {
  const target = await openTarget(device, image.size);
  try {
    const writer = new Differences(target, device);
    for await (const chunk of image.content) {
      alive();
      await writer.take(chunk);
    }
    const written = await writer.finish();
    if (written.bytes !== image.size)
      throw new CodedError('rootfs_write', `the image ended after ${written.bytes} of ${image.size} bytes`);
    return written;
  } finally {
    await target.close();
  }
}

/** Reads back from the disk what was written. Throws `rootfs_write` when its SHA-256 is another. */
export async function readBack(device: string, size: number, checksum: string, alive: () => void): Promise<void> {
  // Else memory would answer for the disk. Not every system has this program; then memory does.
  await runChild({ file: 'blockdev', args: ['--flushbufs', device], timeout: 600_000 });
  const hash = createHash('sha256');
  const handle = await open(device, 'r');
  try {
    const block = Buffer.allocUnsafe(blockSize);
    for (let at = 0; at < size;) {
      alive();
      const { bytesRead } = await handle.read(block, 0, Math.min(blockSize, size - at), at);
      if (bytesRead === 0) throw new CodedError('rootfs_write', `${device} ends at byte ${at} when read back`);
      hash.update(block.subarray(0, bytesRead));
      at += bytesRead;
    }
  } catch (error) {
    throw failure(device, 'read back', error);
  } finally {
    await handle.close();
  }
  if (hash.digest('hex') !== checksum)
    throw new CodedError('rootfs_write', `${device} does not hold what was written to it: replace the disk`);
}

async function openTarget(device: string, size: number): Promise<FileHandle> {
  const { rdev } = await stat(device).catch((error: unknown) => {
    throw failure(device, 'open', error);
  });
  const room = rdev === 0 ? undefined : blockDevice(rdev);
  if (room && size > room.bytes)
    throw new CodedError(
      'rootfs_write',
      `the image of ${size} bytes does not fit ${device}, which has ${room.bytes}: make a smaller image`,
    );
  if (room?.readOnly) throw new CodedError('rootfs_write', `${device} is read-only`);
  try {
    // Exclusive: the kernel refuses a block device that is mounted or otherwise in use.
    return await open(device, constants.O_RDWR | constants.O_EXCL);
  } catch (error) {
    if (codeOf(error) === 'EBUSY')
      throw new CodedError('rootfs_write', `${device} is in use: unmount it`, { cause: error });
    throw failure(device, 'open', error);
  }
}

/** What the kernel says of a block device. Undefined: nothing. */
function blockDevice(rdev: number): { bytes: number; readOnly: boolean } | undefined {
  // As the C library takes device numbers apart.
  const [low, high] = [rdev % 2 ** 32, Math.floor(rdev / 2 ** 32)];
  const major = ((low >>> 8) & 0xfff) + (high & 0xfffff000);
  const minor = (low & 0xff) + ((low >>> 12) & 0xfff00);
  const folder = `/sys/dev/block/${major}:${minor}`;
  try {
    const sectors = Number(readFileSync(`${folder}/size`, 'utf8'));
    return { bytes: sectors * 512, readOnly: readFileSync(`${folder}/ro`, 'utf8').trim() === '1' };
  } catch {
    return undefined;
  }
}

/** Collects blocks; while one is compared and written, the next one fills. */
class Differences {
  readonly #target: FileHandle;
  readonly #device: string;
  #filling = Buffer.allocUnsafe(blockSize);
  #spare = Buffer.allocUnsafe(blockSize);
  readonly #there = Buffer.allocUnsafe(blockSize);
  #filled = 0;
  #offset = 0;
  #same = 0;
  #unflushed = 0;
  #storing: Promise<void> = Promise.resolve();

  constructor(target: FileHandle, device: string) {
    this.#target = target;
    this.#device = device;
  }

  async take(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const part = chunk.subarray(at, at + blockSize - this.#filled);
      this.#filling.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === blockSize) await this.#next();
    }
  }

  async finish(): Promise<Written> {
    if (this.#filled > 0) await this.#next();
    await this.#storing;
    await this.#flush();
    return { bytes: this.#offset, same: this.#same };
  }

  async #next(): Promise<void> {
    await this.#storing;
    const block = this.#filling.subarray(0, this.#filled);
    this.#storing = this.#store(block, this.#offset);
    this.#storing.catch(() => undefined); // awaited before the next block, and at the end
    this.#offset += this.#filled;
    [this.#filling, this.#spare] = [this.#spare, this.#filling];
    this.#filled = 0;
  }

  async #store(block: Buffer, offset: number): Promise<void> {
    let there: Buffer;
    try {
      const { bytesRead } = await this.#target.read(this.#there, 0, block.length, offset);
      there = this.#there.subarray(0, bytesRead);
    } catch {
      there = this.#there.subarray(0, 0); // unreadable: written anew, which may well cure it
    }
    try {
      for (const [from, to] of differences(block, there)) {
        for (let at = from; at < to;) {
          const { bytesWritten } = await this.#target.write(block, at, to - at, offset + at);
          if (bytesWritten === 0) throw new Error('nothing more is taken');
          at += bytesWritten;
        }
        this.#unflushed += to - from;
        this.#same -= to - from;
      }
    } catch (error) {
      throw failure(this.#device, 'write', error);
    }
    this.#same += block.length;
    if (this.#unflushed >= flushEvery) await this.#flush();
  }

  async #flush(): Promise<void> {
    try {
      await this.#target.datasync();
      this.#unflushed = 0;
    } catch (error) {
      throw failure(this.#device, 'write', error);
    }
  }
}

/** Stretches of a block that are not what is there. */
function differences(block: Buffer, there: Buffer): [from: number, to: number][] {
  if (block.equals(there)) return [];
  const found: [number, number][] = [];
  for (let from = 0; from < block.length; from += pageSize) {
    const to = Math.min(from + pageSize, block.length);
    if (to <= there.length && block.compare(there, from, to, from, to) === 0) continue;
    const last = found.at(-1);
    if (last?.[1] === from) last[1] = to;
    else found.push([from, to]);
  }
  return found;
}

function failure(device: string, what: string, error: unknown): Error {
  if (error instanceof CodedError) return error;
  return new CodedError('rootfs_write', `cannot ${what} ${device}: ${messageOf(error)}`, { cause: error });
}
