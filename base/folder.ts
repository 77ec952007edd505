import { mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from './errors.ts';

/**
 * Makes a folder and those above it. Not `mkdir` with `recursive`: where the system answers ENOENT for good, as below
 * /proc, Node tries again for ever.
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    const above = dirname(path);
    if (codeOf(error) === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (codeOf(error) !== 'ENOENT' || above === path) throw error;
    await makeFolder(above);
    await mkdir(path, { mode }).catch((again: unknown) => {
      // Somebody else made it in between.
      if (codeOf(again) !== 'EEXIST') throw again;
    });
  }
}

/** The same at once, for what must be on the disk before the next line runs. */
export function makeFolderSync(path: string, mode = 0o777): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const above = dirname(path);
    if (codeOf(error) === 'EEXIST' && statSync(path).isDirectory()) return;
    if (codeOf(error) !== 'ENOENT' || above === path) throw error;
    makeFolderSync(above);
    try {
      mkdirSync(path, { mode });
    } catch (again) {
      if (codeOf(again) !== 'EEXIST') throw again;
    }
  }
}
