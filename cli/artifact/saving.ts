import { randomBytes } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';

/** Saves what comes as a file that appears only when it is complete. */
export async function save(path: string, content: AsyncIterable<Uint8Array> | Uint8Array, mode = 0o666): Promise<void> {
  const partial = `${path}.${randomBytes(6).toString('hex')}.part`;
  try {
    await writeFile(partial, content, { mode, flag: 'wx' });
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
