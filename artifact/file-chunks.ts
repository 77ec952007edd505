import { open } from 'node:fs/promises';

const chunkSize = 512 * 1024;
/** A reader holds one chunk, a decompressor behind it another, and one is being read. */
const ring = 4;

/**
 * The bytes of a file, read ahead by one chunk. The buffers are used again: a chunk is valid until the third one after
 * it is asked for, which everything in this room honours. So reading costs no memory that must be cleared first.
 */
export async function* fileChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, 'r');
  const buffers = Array.from({ length: ring }, () => Buffer.allocUnsafeSlow(chunkSize));
  try {
    const read = (index: number) => file.read(buffers[index % ring] as Buffer, 0, chunkSize, null);
    let ahead = read(0);
    for (let index = 0; ; index++) {
      const { bytesRead, buffer } = await ahead;
      if (bytesRead === 0) return;
      ahead = read(index + 1);
      // An error shows when its chunk is asked for.
      ahead.catch(() => undefined);
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
