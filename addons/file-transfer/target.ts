import type { Stats } from 'node:fs';
import { lstat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '#base/errors';
import { goError } from './go-error.ts';
import type { Fate, Limits } from './limits.ts';
import type { PutFile } from './protocol.ts';
import { Refusal } from './refusal.ts';

/** Where an upload goes and what it is to be there. */
export interface Target extends Fate {
  readonly path: string;
  readonly modified: Date | undefined;
}

/** The target of a request, with every reason against it that can be known beforehand. Throws `Refusal`. */
export async function targetOf(body: PutFile['body'], asked: string, limits: Limits): Promise<Target> {
  let path = asked;
  let existing = await statsOf(path);
  if (existing?.isDirectory() && body.src_path) {
    path = join(path, basename(body.src_path));
    existing = await statsOf(path);
  }
  const wanted = {
    size: body.size ?? undefined,
    mode: body.mode ?? undefined,
    uid: body.uid ?? undefined,
    gid: body.gid ?? undefined,
  };
  const fate = await limits.put(path, existing, wanted);
  if (existing?.isDirectory()) throw new Refusal('conflicting file path: cannot overwrite directory');
  if (existing && !existing.isFile()) throw new Refusal('conflicting file path: cannot overwrite irregular file');
  await checkSpace(path, wanted.size ?? 0);
  const modified = body.modtime instanceof Date ? body.modtime : undefined;
  return { path, ...fate, modified };
}

async function statsOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    // Whether it can be made there is seen when it is made.
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw new Refusal(`failed to create target file: ${goError('stat', path, error)}`);
  }
}

/** Said before gigabytes have travelled for nothing, where the size is known. */
async function checkSpace(path: string, size: number): Promise<void> {
  if (size === 0) return;
  const space = await statfs(dirname(path)).catch(() => undefined);
  if (!space) return;
  const free = space.bavail * space.bsize;
  if (size > free)
    throw new Refusal(
      `failed to create target file: no space left on device: ${path} needs ${size} bytes, ${free} are free`,
    );
}
