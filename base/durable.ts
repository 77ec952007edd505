import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolderSync } from './folder.ts';

/** Replaces a file so that after a power cut it holds the old or the new content, whole: write, fsync, rename, fsync the folder. */
export function writeDurably(file: string, content: string | Uint8Array, mode = 0o600, folderMode = 0o777): void {
  const folder = dirname(file);
  makeFolderSync(folder, folderMode);
  const next = `${file}.next`;
  const handle = openSync(next, 'w', mode);
  try {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(next, file);
  flushFolder(folder);
}

/** Makes names in a folder survive a power cut. */
export function flushFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** The same for a program that has others to serve meanwhile. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
