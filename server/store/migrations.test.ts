import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { insertRows } from '../backup/tables.ts';
import { searchDevices } from '../inventory/search.ts';
import { availableDatabases, emptyDatabase } from '../stage.ts';
import { type Db, knownSteps, migrate, openDatabase, openStore } from './store.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patchbay-migrations-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe.each(await availableDatabases())('a database on %s', (name) => {
  /** One as the first landed version left it, with a device in a group. */
  async function old(db: Db): Promise<void> {
    await migrate(db, ['0001-first']);
    const ts = '2026-01-01T00:00:00.000Z';
    await insertRows(
      db,
      { name: 'devices', columns: ['id', 'identity_hash', 'identity', 'status', 'created_ts', 'updated_ts'] },
      [
        ['d1', 'h1', '{"mac":"1"}', 'accepted', ts, ts],
        ['d2', 'h2', '{"mac":"2"}', 'pending', ts, ts],
      ],
    );
    const columns = ['device_id', 'scope', 'name', 'seq', 'kind', 'text', 'num', 'ts'];
    await insertRows(db, { name: 'attributes', columns }, [
      ['d1', 'system', 'group', 0, 's', 'north', null, ts],
      ['d1', 'inventory', 'level', 0, 'n', null, 2.5, ts],
      ['d1', 'inventory', 'notes', 0, 's', 'x'.repeat(5000), null, ts],
    ]);
    await insertRows(db, { name: 'secrets', columns: ['name', 'value'] }, [['a', 'b']]);
  }

  it.each([
    ['the first version', ['0001-first']],
    ['the first with the contract, groups not yet there', ['0001-first', '0004-contract']],
  ])('of %s is brought forward with all that is in it', async (_, steps) => {
    const database = await emptyDatabase(name);
    const before = await openDatabase(folder, database);
    await old(before);
    await migrate(before, steps);
    await before.destroy();
    const db = await openStore(folder, database);
    expect(await db.selectFrom('secrets').selectAll().execute()).toEqual([{ name: 'a', value: 'b' }]);
    const found = async (search: object) => (await searchDevices(db, { filters: [], sort: [], ...search }, 20, 0)).ids;
    expect(await found({})).toEqual(['d1', 'd2']);
    expect(await found({ group: 'north' })).toEqual(['d1']);
    expect(await found({ filters: [{ scope: 'inventory', attribute: 'level', type: '$gt', value: 2 }] })).toEqual([
      'd1',
    ]);
    expect(
      await found({ filters: [{ scope: 'inventory', attribute: 'notes', type: '$eq', value: 'x'.repeat(5000) }] }),
    ).toEqual(['d1']);
    const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
    expect(rows.map((row) => row.name)).toEqual(knownSteps.toSorted());
    await db.destroy();
  });
});

describe('a step that has landed', () => {
  // Changed ones would leave databases that no program knows. A new step mends an old one.
  it.each([
    ['0001-first', '5ab165b2fa8ea301'],
    ['0002-groups', '68a2baa97cc4648b'],
    ['0004-contract', 'b595a67e80e3d54b'],
  ])('%s makes what it has made everywhere', async (step, sum) => {
    const db = await openDatabase(folder, undefined);
    await migrate(db, [...new Set(['0001-first', step])]);
    const { rows } = await sql<{ sql: string }>`
      select sql from sqlite_master where sql is not null and name not like 'kysely%' order by name`.execute(db);
    const made = createHash('sha256')
      .update(rows.map((row) => row.sql).join('\n'))
      .digest('hex')
      .slice(0, 16);
    expect(made).toBe(sum);
    await db.destroy();
  });
});
