import { chmod, chown, lstat, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { goError } from './go-error.ts';
import { goMode } from './mode.ts';
import type { Entry, Message } from './protocol.ts';
import { Refusal } from './refusal.ts';

/** Entries in one message: with names of 255 bytes it is far below what a frame may hold. */
const page = 200;

/** Sends what a folder holds, links as links, in as many messages as it takes. Entries that go away meanwhile are left out. */
export async function list(path: string, send: (message: Message) => Promise<void>): Promise<void> {
  let names: string[];
  try {
    names = await readdir(path);
  } catch (error) {
    throw new Refusal(`failed to list folder: ${goError('open', path, error)}`);
  }
  names.sort();
  for (let at = 0; at === 0 || at < names.length; at += page) {
    const entries = await Promise.all(names.slice(at, at + page).map((name) => entryOf(path, name)));
    await send({
      typ: 'entries',
      body: { entries: entries.filter((entry) => entry !== undefined), more: at + page < names.length },
    });
  }
}

async function entryOf(folder: string, name: string): Promise<Entry | undefined> {
  const stats = await lstat(join(folder, name)).catch(() => undefined);
  return (
    stats && {
      name,
      size: stats.size,
      uid: stats.uid,
      gid: stats.gid,
      mode: goMode(stats),
      modtime: stats.mtime,
    }
  );
}

/** Makes a folder; one that is there stays as it is. */
export async function makeFolder(
  path: string,
  { mode, uid, gid }: { readonly mode: number; readonly uid: number | undefined; readonly gid: number | undefined },
): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const there = await stat(path).catch(() => undefined);
    if (there?.isDirectory()) return;
    throw new Refusal(`failed to create folder: ${goError('mkdir', path, error)}`);
  }
  try {
    const keep = 0xffffffff;
    if (uid !== undefined || gid !== undefined) await chown(path, uid ?? keep, gid ?? keep);
    await chmod(path, mode);
  } catch (error) {
    throw new Refusal(`failed to create folder: ${goError('chmod', path, error)}`);
  }
}
