import type { FileHandle } from 'node:fs/promises';

/** Bytes that are read at a time. */
const readSize = 256 * 1024;

/**
 * A file's bytes from an offset on (undefined: where it is, as of a pipe), each piece only until the next is asked for: two
 * buffers take turns, one is filled while the other is sent. New ones for each piece would keep the garbage collector as
 * busy as the copying. Reads nothing any more once it is done; the file is closed by who opened it.
 */
export async function* piecesOf(file: FileHandle, offset: number | undefined): AsyncGenerator<Uint8Array> {
  let at = offset;
  let [now, next] = [Buffer.allocUnsafeSlow(readSize), Buffer.allocUnsafeSlow(readSize)];
  const read = (buffer: Buffer) => {
    const result = file.read(buffer, 0, readSize, at ?? null);
    // It may fail while the last piece is still on its way, with nobody waiting for it yet.
    result.catch(() => undefined);
    return result;
  };
  let reading = read(now);
  try {
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) return;
      if (at !== undefined) at += bytesRead;
      reading = read(next);
      yield now.subarray(0, bytesRead);
      [now, next] = [next, now];
    }
  } finally {
    await reading.catch(() => undefined);
  }
}
