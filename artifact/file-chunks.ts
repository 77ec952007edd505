import { read } from 'node:fs';
import { open } from 'node:fs/promises';

/** All buffers together fit into a core's cache: with larger ones the copy out of the page cache takes half as long again. */
const chunkSize = 256 * 1024;
/** A reader holds one chunk, a decompressor behind it another, and one is being read. */
const ring = 4;

/**
 * The bytes of a file, read ahead by one chunk. The buffers are used again: a chunk is valid until the third one after
 * it is asked for, which everything in this room honours. So reading costs no memory that must be cleared first.
 */
export async function* fileChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, 'r');
  const buffers = Array.from({ length: ring }, () => Buffer.allocUnsafeSlow(chunkSize));
  let running: Promise<number> | undefined;
  try {
    const bufferAt = (index: number) => buffers[index % ring] as Buffer;
    running = readInto(file.fd, bufferAt(0));
    for (let index = 0; ; index++) {
      const length = await running;
      if (length === 0) return;
      running = readInto(file.fd, bufferAt(index + 1));
      // An error shows when its chunk is asked for.
      running.catch(() => undefined);
      yield bufferAt(index).subarray(0, length);
    }
  } finally {
    // The number of a closed file may soon be another's.
    await running?.catch(() => undefined);
    await file.close();
  }
}

/** Not by the file's own `read`, which does much around each call. */
function readInto(descriptor: number, buffer: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    read(descriptor, buffer, 0, buffer.length, null, (error, length) => (error ? reject(error) : resolve(length)));
  });
}
