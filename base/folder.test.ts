import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeFolder, makeFolderSync } from './folder.ts';
import { itWhere } from './where.testing.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'patchbay-folder-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.each([
  ['later', makeFolder],
  ['at once', async (path: string, mode?: number): Promise<void> => makeFolderSync(path, mode)],
])('%s', (_, make) => {
  it('makes a folder and those above it, with the mode on the last; again is fine', async () => {
    const path = join(folder, 'a/b/c');
    await make(path, 0o700);
    await make(path, 0o700);
    expect(statSync(path).mode & 0o777).toBe(0o700);
  });

  it('says so where a file is in the way', async () => {
    writeFileSync(join(folder, 'a'), '');
    await expect(make(join(folder, 'a'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(make(join(folder, 'a/b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  itWhere(
    'ends where no folder can ever be made',
    existsSync('/proc/self') ? undefined : 'there is no /proc',
    async () => {
      await expect(make('/proc/nowhere')).rejects.toMatchObject({ code: 'ENOENT' });
    },
  );
});
