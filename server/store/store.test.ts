import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { availableDatabases, databaseFor } from '../stage.ts';
import { likeAnywhere } from './like.ts';
import { isOneOf } from './list.ts';
import { type Db, isDuplicate, migrate, openStore } from './store.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patchbay-store-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.each(await availableDatabases())('the store on %s', (name) => {
  let db: Db;
  let database: string | undefined;
  let data = '';
  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'patchbay-store-'));
    database = await databaseFor(name);
    db = await openStore(data, database);
  });
  beforeEach(async () => void (await db.deleteFrom('secrets').execute()));
  afterAll(async () => {
    await db.destroy();
    rmSync(data, { recursive: true, force: true });
  });

  const put = (name: string, value: string) => db.insertInto('secrets').values({ name, value }).execute();
  const names = async (): Promise<string[]> =>
    (await db.selectFrom('secrets').select('name').orderBy('name').execute()).map((row) => row.name);

  it('makes its tables, and opening it again changes nothing', async () => {
    await put('a', '1');
    await migrate(db);
    await db.destroy();
    db = await openStore(data, database);
    expect(await db.selectFrom('secrets').selectAll().execute()).toEqual([{ name: 'a', value: '1' }]);
  });

  it('says that a key is taken', async () => {
    await put('a', '1');
    expect(isDuplicate(await put('a', '2').catch((e: unknown) => e))).toBe(true);
  });

  it('sorts text by its bytes, whatever the language of the machine', async () => {
    const sorted = ['', ' ', 'A', 'B', '_', 'a', 'b', 'ä', 'ö', '\u{ffee}', '\u{1f600}'];
    for (const text of sorted.toReversed()) await put(text, '');
    expect(await names()).toEqual(sorted);
    const above = await db.selectFrom('secrets').select('name').where('name', '>', 'b').orderBy('name').execute();
    expect(above.map((row) => row.name)).toEqual(sorted.slice(7));
  });

  it('finds text in text: without the case of ASCII letters, and with nothing as a wildcard', async () => {
    for (const text of ['Web_1', 'web%2', 'WEBx3', String.raw`back\slash`, 'Äpfel']) await put(text, '');
    const finds = async (text: string) =>
      (await db.selectFrom('secrets').select('name').where(likeAnywhere('name', text)).execute()).map((r) => r.name);
    expect((await finds('wEb')).sort()).toEqual(['WEBx3', 'Web_1', 'web%2']);
    expect(await finds('b_')).toEqual(['Web_1']);
    expect(await finds('b%')).toEqual(['web%2']);
    expect(await finds('k\\s')).toEqual([String.raw`back\slash`]);
    expect(await finds('ÄP')).toEqual(['Äpfel']);
    expect(await finds('äp')).toEqual([]);
  });

  it('refuses the character NUL as the fault of who sent it, and stores every other', async () => {
    await expect(put('a\0b', '')).rejects.toMatchObject({ code: 'bad_request' });
    await expect(db.selectFrom('secrets').select('name').where('name', '=', '\0').execute()).rejects.toMatchObject({
      code: 'bad_request',
    });
    const odd = '\u0001\u001f\u007f\ufffe\u{10ffff}"\'\\';
    await put('odd', odd);
    expect(await db.selectFrom('secrets').select('value').execute()).toEqual([{ value: odd }]);
  });

  it('finds rows by lists of any length', async () => {
    for (let at = 0; at < 20; at++) await put(`n${at}`, '');
    for (const length of [0, 1, 10, 5000, 100_000]) {
      const list = Array.from({ length }, (_, at) => `n${at}`);
      const rows = await db
        .selectFrom('secrets')
        .select('name')
        .where(isOneOf(db, 'name', list))
        .execute();
      expect([length, rows.length]).toEqual([length, Math.min(length, 20)]);
    }
  });

  it('gives counts, sums and sizes as numbers', async () => {
    const size = 2 ** 40;
    for (const id of ['a', 'b'])
      await db
        .insertInto('artifacts')
        .values({
          id,
          name: id,
          description: '',
          depends_key: '',
          update_type: null,
          document: '{}',
          size,
          modified: '',
        })
        .execute();
    const row = await db
      .selectFrom('artifacts')
      .select((e) => [e.fn.countAll().as('n'), e.fn.sum('size').as('sum'), e.fn.max('size').as('max')])
      .executeTakeFirst();
    expect(row).toEqual({ n: 2, sum: 2 * size, max: size });
  });

  it('runs transactions as if one came after the other: no write that another decided by is lost', async () => {
    await put('counter', '0');
    const count = () =>
      db.transaction().execute(async (tx) => {
        const row = await tx.selectFrom('secrets').select('value').where('name', '=', 'counter').executeTakeFirst();
        await tx
          .updateTable('secrets')
          .set({ value: String(Number(row?.value) + 1) })
          .where('name', '=', 'counter')
          .execute();
      });
    await Promise.all(Array.from({ length: 30 }, count));
    expect(await db.selectFrom('secrets').select('value').execute()).toEqual([{ value: '30' }]);
  });

  it('has of many that make the same thing at once one make it, and the others see it', async () => {
    const make = () =>
      db.transaction().execute(async (tx) => {
        const known = await tx.selectFrom('secrets').select('value').where('name', '=', 'one').executeTakeFirst();
        if (known) return 'seen';
        await tx.insertInto('secrets').values({ name: 'one', value: '' }).execute();
        return 'made';
      });
    const outcomes = await Promise.all(Array.from({ length: 20 }, make));
    expect(outcomes.filter((outcome) => outcome === 'made')).toHaveLength(1);
  });

  it('keeps nothing of a transaction that fails, and says why', async () => {
    const failing = db.transaction().execute(async (tx) => {
      await tx.insertInto('secrets').values({ name: 'half', value: '' }).execute();
      throw new Error('changed my mind');
    });
    await expect(failing).rejects.toThrow('changed my mind');
    expect(await names()).toEqual([]);
  });

  it('ends with its connections', async () => {
    await sql`select 1`.execute(db);
    await db.destroy();
    await expect(sql`select 1`.execute(db)).rejects.toThrow();
    db = await openStore(data, database);
  });
});

describe('the data folder', () => {
  it('names a folder that it may not write', async () => {
    const root = process.geteuid?.() === 0;
    chmodSync(folder, 0o555);
    // To root no folder is closed.
    if (root) process.seteuid?.('nobody');
    try {
      await expect(openStore(join(folder, 'x'))).rejects.toThrow(/cannot write the data folder .*--data/);
    } finally {
      if (root) process.seteuid?.(0);
    }
  });

  it('names a folder that is a file', async () => {
    const db = await openStore(folder);
    await db.destroy();
    await expect(openStore(join(folder, 'patchbay.db'))).rejects.toThrow(/cannot use the data folder/);
  });
});
