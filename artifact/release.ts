/**
 * Gives back the memory of a chunk that nobody will look at any more, instead of leaving it to the garbage collector, which
 * lets some 64 MiB of such chunks pile up. A buffer that others share is left alone: only the piece that ends it counts.
 */
export function release(chunk: Uint8Array): void {
  if (chunk.byteOffset + chunk.length === chunk.buffer.byteLength) discard(chunk);
}

/** The same for a chunk that is known to be the only one in its buffer. */
export function discard({ buffer }: Uint8Array): void {
  if (buffer.byteLength >= worthwhile && buffer.byteLength !== shared && buffer instanceof ArrayBuffer)
    buffer.transfer(0);
}

const worthwhile = 16 * 1024;
/** Node cuts small buffers out of a pool of this size, which must be left alone. */
const shared = Buffer.allocUnsafe(1).buffer.byteLength;
