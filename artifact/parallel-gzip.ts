import { constants, crc32, createDeflateRaw, type DeflateRaw } from 'node:zlib';
import type { Chunks } from './chunks.ts';
import { release } from './release.ts';

/** Bytes that are judged together: whether to compress or to store them. */
const unit = 64 * 1024;
/** Bytes that are read before they are worked on. Nothing in one block refers to another. */
const blockSize = 1024 * 1024;
/** Blocks that are worked on, or wait for those before them. */
const mostBlocks = 6;
/** As many as Node's thread pool has threads. Not the number of cores: the output must not depend on the machine. */
const laneCount = 4;
/** A stored piece of deflate counts its length in 16 bits. */
const largestStored = 0xffff;

/**
 * One gzip member, compressed in pieces on the thread pool, as pigz does. Pieces that look incompressible are stored: most
 * of an image is compressed already, and deflate would spend most of its time finding that out.
 */
export async function* gzip(source: AsyncIterable<Uint8Array>, level: number): Chunks {
  yield [Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])];
  const blocks = new BlockReader(source);
  const lanes = Array.from({ length: laneCount }, () => new Lane(level));
  const running: { pieces: Promise<Uint8Array[][]>; block: Buffer }[] = [];
  let crc = 0;
  let size = 0;
  let runs = 0;
  try {
    for (let block; (block = await blocks.next());) {
      crc = crc32(block, crc);
      size += block.length;
      const pieces = Promise.all(
        runsOf(block).map(({ start, end, stored }) => {
          const run = block.subarray(start, end);
          return stored ? Promise.resolve(store(run)) : (lanes[runs++ % laneCount] as Lane).deflate(run);
        }),
      );
      // It fails when its turn comes, if at all.
      pieces.catch(() => undefined);
      running.push({ pieces, block });
      const oldest = running.length >= mostBlocks ? running.shift() : undefined;
      if (!oldest) continue;
      const done = (await oldest.pieces).flat();
      yield done;
      for (const piece of done) if (piece.buffer !== oldest.block.buffer) release(piece);
      blocks.release(oldest.block);
    }
    for (const { pieces } of running) yield (await pieces).flat();
  } finally {
    for (const lane of lanes) lane.close();
  }
  // An empty last piece, then checksum and length.
  const trailer = Buffer.from([3, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  trailer.writeUInt32LE(crc, 2);
  trailer.writeUInt32LE(size % 2 ** 32, 6);
  yield [trailer];
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
 * One deflate stream that packs run after run, on any thread. A full flush ends each run on a whole byte and forgets what was
 * before it, so runs of several lanes can follow one another. A stream of its own for each run costs more time and memory.
 */
class Lane {
  readonly #stream: DeflateRaw;
  #pieces: Uint8Array[] = [];

  constructor(level: number) {
    this.#stream = createDeflateRaw({ level, chunkSize: blockSize, flush: constants.Z_FULL_FLUSH });
    this.#stream.on('data', (piece: Buffer) => this.#pieces.push(piece));
    // Whoever waits for a run is told.
    this.#stream.on('error', () => undefined);
  }

  deflate(run: Buffer): Promise<Uint8Array[]> {
    return new Promise((resolve, reject) => {
      this.#stream.write(run, (error) => {
        if (error) return reject(error);
        resolve(this.#pieces);
        this.#pieces = [];
      });
    });
  }

  close(): void {
    this.#stream.destroy();
  }
}

/** A run as stored pieces: a head before each, and the bytes themselves, which are not copied. */
function store(run: Buffer): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < run.length; at += largestStored) {
    const piece = run.subarray(at, at + largestStored);
    const head = Buffer.alloc(5);
    head.writeUInt16LE(piece.length, 1);
    head.writeUInt16LE(~piece.length & 0xffff, 3);
    pieces.push(head, piece);
  }
  return pieces;
}
