import { availableParallelism } from 'node:os';
import { constants, crc32, createDeflateRaw } from 'node:zlib';
import { discard } from './release.ts';

/** Bytes that are judged, and compressed or stored, together. */
const unit = 64 * 1024;
const unitsPerBlock = 4;
const blockSize = unit * unitsPerBlock;
/** How far back deflate may refer, across blocks too. */
const window = 32 * 1024;
/** A stored piece of deflate counts its length in 16 bits. */
const largestStored = 0xffff;

/**
 * One gzip member, compressed in pieces on the thread pool, as pigz does. Pieces that look incompressible are stored: most
 * of an image is compressed already, and deflate would spend most of its time finding that out.
 */
export async function* gzip(
  source: AsyncIterable<Uint8Array>,
  level: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
  const blocks = new BlockReader(source);
  const running: { pieces: Promise<Uint8Array[]>; block: Buffer; before: Buffer }[] = [];
  let crc = 0;
  let size = 0;
  let before: Buffer = Buffer.alloc(0);
  for (let block; (block = await blocks.next());) {
    crc = crc32(block, crc);
    size += block.length;
    const pieces = Promise.all(runsOf(block).map((run) => pack(block, run, before, level)));
    // It fails when its turn comes, if at all.
    pieces.catch(() => undefined);
    running.push({ pieces, block, before });
    before = copyOf(block.subarray(-window));
    const oldest = running.length > availableParallelism() + 1 ? running.shift() : undefined;
    if (!oldest) continue;
    yield* spent(await oldest.pieces);
    blocks.release(oldest.block);
    discard(oldest.before);
  }
  for (const { pieces } of running) yield* spent(await pieces);
  // An empty last piece, then checksum and length.
  const trailer = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  trailer.writeUInt32LE(crc, 2);
  trailer.writeUInt32LE(size % 2 ** 32, 6);
  yield trailer;
}

function copyOf(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

function* spent(pieces: readonly Uint8Array[]): Generator<Uint8Array, void, undefined> {
  for (const piece of pieces) {
    yield piece;
    discard(piece);
  }
}

/** Gathers a source into blocks, in buffers that are used again: memory that is new must be cleared first. */
class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #free: Buffer[] = [];
  #rest: Uint8Array = new Uint8Array();
  #ended = false;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** The next block, full unless it is the last. */
  async next(): Promise<Buffer | undefined> {
    if (this.#ended) return undefined;
    const block = this.#free.pop() ?? Buffer.allocUnsafeSlow(blockSize);
    let filled = 0;
    while (filled < blockSize) {
      if (this.#rest.length === 0) {
        const { done, value } = await this.#source.next();
        if (done) {
          this.#ended = true;
          break;
        }
        this.#rest = value;
      }
      const taken = this.#rest.subarray(0, blockSize - filled);
      block.set(taken, filled);
      filled += taken.length;
      this.#rest = this.#rest.subarray(taken.length);
    }
    return filled ? block.subarray(0, filled) : undefined;
  }

  release(block: Buffer): void {
    if (block.length === blockSize) this.#free.push(block);
  }
}

/** Units in a row that are treated alike. */
interface Run {
  readonly start: number;
  readonly end: number;
  readonly stored: boolean;
}

function runsOf(block: Buffer): Run[] {
  const runs: Run[] = [];
  for (let start = 0; start < block.length; start += unit) {
    const end = Math.min(start + unit, block.length);
    const stored = looksIncompressible(block.subarray(start, end));
    const last = runs.at(-1);
    if (last?.stored === stored) runs[runs.length - 1] = { ...last, end };
    else runs.push({ start, end, stored });
  }
  return runs;
}

const sampleLength = 256;
const samples = 16;

/** Judges by the entropy of bytes taken here and there: random bytes have some 7.95 bits in a sample of 4 KiB. */
function looksIncompressible(bytes: Buffer): boolean {
  if (bytes.length < sampleLength * samples) return false;
  const counts = new Uint32Array(256);
  const step = Math.floor(bytes.length / samples);
  for (let at = 0, sample = 0; sample < samples; sample++, at += step) {
    for (let index = at; index < at + sampleLength; index++) {
      const byte = bytes[index] as number;
      counts[byte] = (counts[byte] as number) + 1;
    }
  }
  const total = sampleLength * samples;
  let bits = 0;
  for (const count of counts) if (count) bits -= (count / total) * Math.log2(count / total);
  return bits > 7.85;
}

/**
 * A run as deflate, ending on a whole byte so that the next can follow. Not by zlib's `deflateRaw()`: that one copies its
 * result and leaves a buffer to the garbage collector.
 */
function pack(block: Buffer, { start, end, stored }: Run, before: Buffer, level: number): Promise<Uint8Array> {
  const content = block.subarray(start, end);
  if (stored) return Promise.resolve(store(content));
  const dictionary = start >= window ? block.subarray(start - window, start) : before;
  const deflate = createDeflateRaw({
    level,
    // All output fits into one buffer.
    chunkSize: content.length + 4096,
    finishFlush: constants.Z_SYNC_FLUSH,
    ...(dictionary.length ? { dictionary } : {}),
  });
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = [];
    deflate.on('data', (piece: Buffer) => pieces.push(piece));
    deflate.once('end', () => resolve(joined(pieces)));
    deflate.once('error', reject);
    deflate.end(content);
  });
}

/** Pieces that lie behind one another in one buffer, as one. */
function joined(pieces: readonly Buffer[]): Uint8Array {
  const [first = Buffer.alloc(0)] = pieces;
  if (pieces.some(({ buffer }) => buffer !== first.buffer)) return Buffer.concat(pieces);
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return Buffer.from(first.buffer, first.byteOffset, length);
}

function store(content: Buffer): Buffer {
  const count = Math.ceil(content.length / largestStored);
  const result = Buffer.allocUnsafeSlow(content.length + 5 * count);
  for (let at = 0, to = 0; at < content.length; at += largestStored) {
    const piece = content.subarray(at, at + largestStored);
    result[to] = 0;
    result.writeUInt16LE(piece.length, to + 1);
    result.writeUInt16LE(~piece.length & 0xffff, to + 3);
    result.set(piece, to + 5);
    to += 5 + piece.length;
  }
  return result;
}
