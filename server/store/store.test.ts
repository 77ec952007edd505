import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { isDuplicate, migrate, openStore } from './store.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patchbay-store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('the store', () => {
  it('makes its tables, and opening it again changes nothing', async () => {
    const db = await openStore(folder);
    await db.insertInto('secrets').values({ name: 'a', value: '1' }).execute();
    await migrate(db);
    await db.destroy();
    const again = await openStore(folder);
    expect(await again.selectFrom('secrets').selectAll().execute()).toEqual([{ name: 'a', value: '1' }]);
    await again.destroy();
  });

  it('says that a key is taken', async () => {
    const db = await openStore(folder);
    const insert = () => db.insertInto('secrets').values({ name: 'a', value: '1' }).execute();
    await insert();
    const error = await insert().catch((e: unknown) => e);
    expect(isDuplicate(error)).toBe(true);
    await db.destroy();
  });

  it.skipIf(process.getuid?.() === 0)('names a folder that it may not write', async () => {
    chmodSync(folder, 0o500);
    await expect(openStore(join(folder, 'x'))).rejects.toThrow(/cannot write the data folder .*--data/);
  });

  it('names a folder that is a file', async () => {
    const db = await openStore(folder);
    await db.destroy();
    await expect(openStore(join(folder, 'patchbay.db'))).rejects.toThrow(/cannot use the data folder/);
  });
});
