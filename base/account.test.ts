import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { findAccount } from './account.ts';

const folder = mkdtempSync(join(tmpdir(), 'patchbay-account-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('finds a user of the machine, or of a file', async () => {
  expect(await findAccount('root')).toEqual({ name: 'root', uid: 0, gid: 0, home: '/root' });
  const passwd = join(folder, 'passwd');
  writeFileSync(passwd, 'broken\nbird:x:77:78:Bird,,:/nest:/bin/sh\n');
  expect(await findAccount('bird', passwd)).toEqual({ name: 'bird', uid: 77, gid: 78, home: '/nest' });
});

it.each(['nobody-of-that-name', '', '-x', 'a:b', 'a b', 'root\nroot'])('knows no user %j', async (name) => {
  await expect(findAccount(name)).rejects.toMatchObject({ code: 'unknown_user' });
});
