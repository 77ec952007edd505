import { createHash } from 'node:crypto';
import { constants, readFileSync } from 'node:fs';
import { open, stat, type FileHandle } from 'node:fs/promises';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { runChild } from '../child.ts';

const MiB = 1024 * 1024;
/** Bytes read and written at a time. */
const blockSize = MiB;
/** Blocks in memory: one is compared, one is written, and the others are read ahead. */
const blocksAhead = 4;
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
  const writer = new Differences(target, device, image.size);
  try {
    for await (const chunk of image.content) {
      alive();
      await writer.take(chunk);
    }
    const written = await writer.finish();
    if (written.bytes !== image.size)
      throw new CodedError('rootfs_write', `the image ended after ${written.bytes} of ${image.size} bytes`);
    return written;
  } finally {
    await writer.settled();
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

/** A stretch of the device in memory: first what it holds, then what it shall hold. */
interface Block {
  readonly bytes: Buffer;
  /** Where it lies on the device. */
  offset: number;
  /** Bytes of it that the image covers. */
  length: number;
  /** Bytes that could be read; the rest is written whatever it may be. */
  known: Promise<number>;
  /** Pages that become others, by their number. */
  readonly changed: Set<number>;
}

/**
 * Compares what arrives with what is there. The device is read a few blocks ahead, and one block is written while the
 * next ones are compared; what is the same is neither copied nor written.
 */
class Differences {
  readonly #target: FileHandle;
  readonly #device: string;
  readonly #size: number;
  /** The block that is compared, and those that are read ahead, in their order. */
  readonly #blocks: Block[] = [];
  /** Of the next block to be read. */
  #ahead = 0;
  #at = 0;
  /** Of the first block; undefined until it is asked for. */
  #known: number | undefined;
  #same = 0;
  #unflushed = 0;
  #storing: Promise<void> = Promise.resolve();

  constructor(target: FileHandle, device: string, size: number) {
    this.#target = target;
    this.#device = device;
    this.#size = size;
    for (let count = 0; count < blocksAhead; count += 1) this.#read(Buffer.allocUnsafeSlow(blockSize));
  }

  async take(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length;) {
      const [block] = this.#blocks;
      if (!block) throw new CodedError('rootfs_write', `the image is longer than its ${this.#size} bytes`);
      this.#known ??= await block.known;
      const within = this.#at - block.offset;
      const part = chunk.subarray(at, at + block.length - within);
      change(block, within, part, this.#known);
      this.#at += part.length;
      at += part.length;
      if (this.#at === block.offset + block.length) await this.#next(block);
    }
  }

  async finish(): Promise<Written> {
    await this.#storing;
    await this.#flush();
    return { bytes: this.#at, same: this.#same };
  }

  /** Lets go of the buffers, so that the device can be closed. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#storing, ...this.#blocks.map((block) => block.known)]);
  }

  #read(bytes: Buffer): void {
    const offset = this.#ahead;
    const length = Math.min(blockSize, this.#size - offset);
    if (length <= 0) return;
    this.#ahead += length;
    const known = this.#target.read(bytes, 0, length, offset).then(
      ({ bytesRead }) => bytesRead,
      () => 0, // unreadable: written anew, which may well cure it
    );
    this.#blocks.push({ bytes, offset, length, known, changed: new Set() });
  }

  async #next(block: Block): Promise<void> {
    this.#blocks.shift();
    this.#known = undefined;
    this.#same += block.length;
    if (block.changed.size === 0) return this.#read(block.bytes);
    await this.#storing;
    this.#storing = this.#store(block).then(() => this.#read(block.bytes));
    this.#storing.catch(() => undefined); // awaited before the next one, and at the end
    // Nothing is read ahead any more: there must be a block to go on with.
    if (this.#blocks.length === 0) await this.#storing;
  }

  async #store({ bytes, offset, length, changed }: Block): Promise<void> {
    try {
      for (const [from, to] of stretches(changed, length)) {
        for (let at = from; at < to;) {
          const { bytesWritten } = await this.#target.write(bytes, at, to - at, offset + at);
          if (bytesWritten === 0) throw new Error('nothing more is taken');
          at += bytesWritten;
        }
        this.#unflushed += to - from;
        this.#same -= to - from;
      }
    } catch (error) {
      throw failure(this.#device, 'write', error);
    }
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

/** Makes `part` what the block holds at `within`, and notes the pages that become others by it. */
function change({ bytes, changed }: Block, within: number, part: Uint8Array, known: number): void {
  const end = within + part.length;
  if (end <= known && bytes.compare(part, 0, part.length, within, end) === 0) return;
  for (let from = within; from < end;) {
    const page = Math.floor(from / pageSize);
    const to = Math.min((page + 1) * pageSize, end);
    if (to > known || bytes.compare(part, from - within, to - within, from, to) !== 0) {
      bytes.set(part.subarray(from - within, to - within), from);
      changed.add(page);
    }
    from = to;
  }
}

/** Changed pages that lie beside each other, as one stretch. */
function stretches(changed: ReadonlySet<number>, length: number): [from: number, to: number][] {
  const found: [number, number][] = [];
  // They were noted in their order.
  for (const page of changed) {
    const [from, to] = [page * pageSize, Math.min((page + 1) * pageSize, length)];
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
