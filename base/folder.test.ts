import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeFolder } from './folder.ts';

let folder = '';
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'patchbay-folder-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('makes a folder and those above it, with the mode on the last; again is fine', async () => {
  const path = join(folder, 'a/b/c');
  await makeFolder(path, 0o700);
  await makeFolder(path, 0o700);
  expect(statSync(path).mode & 0o777).toBe(0o700);
});

it('says so where a file is in the way', async () => {
  writeFileSync(join(folder, 'a'), '');
  await expect(makeFolder(join(folder, 'a'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(folder, 'a/b'))).rejects.toMatchObject({ code: 'ENOTDIR' });
});

it.skipIf(!existsSync('/proc/self'))('ends where no folder can ever be made', async () => {
  await expect(makeFolder('/proc/nowhere')).rejects.toMatchObject({ code: 'ENOENT' });
});
