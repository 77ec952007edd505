import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolderSync } from '#base/folder';

/** A file holds the old or the new content, whole, whenever the power fails. */
export function replace(file: string, content: string): void {
  const folder = join(file, '..');
  makeFolderSync(folder, 0o700);
  const next = `${file}.next`;
  const handle = openSync(next, 'w', 0o600);
  try {
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length;) at += writeSync(handle, bytes, at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(next, file);
  flushFolder(folder);
}

/** What was made or renamed in it is on the disk after this. */
export function flushFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
