import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from '#base/durable';

/** Writes a file that is there as a whole, and on the disk, or not at all. For its owner only. */
export async function writeWhole(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const part = `${path}.part`;
  const file = await open(part, 'w', 0o600);
  try {
    for await (const chunk of content)
      for (let at = 0; at < chunk.length;) at += (await file.write(chunk, at)).bytesWritten;
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(part, path);
  await syncFolder(dirname(path));
}
