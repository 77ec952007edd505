import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { addonSteps } from '../addons.ts';
import { makeDataFolder } from '../data-folder.ts';
import {
  addonPrefix,
  type Db,
  knownSteps,
  migrate,
  migrateAddon,
  onPostgres,
  openDatabase,
  type Queries,
} from '../store/store.ts';
import type { Done, Progress } from './backup.ts';
import { folders } from './format.ts';
import { BackupReader } from './reader.ts';
import { firstFilled, goOnCounting, insertRows, type Table, tablesOf } from './tables.ts';
import { writeWhole } from './whole.ts';

/** Where a backup goes; `addons`: packages of third parties whose tables are to come along, found beside that file. */
export interface Target {
  readonly data: string;
  readonly database?: string | undefined;
  readonly addons?: { readonly names: readonly string[]; readonly beside: string };
}

export interface Restored extends Done {
  /** Tables of add-ons that are not here, by add-on: they were not restored. */
  readonly left: ReadonlyMap<string, readonly string[]>;
}

/**
 * Brings a backup into an empty data folder and database, of either kind. The whole file is checked first. The rows come
 * in one transaction, after the files that they name: until then, and if it fails, the database is empty.
 */
export async function restore(place: Target, path: string, progress: Progress): Promise<Restored> {
  await using reader = await BackupReader.open(path, (bytes, of) => progress('checking', bytes, of));
  await makeDataFolder(place.data);
  const db = await openDatabase(place.data, place.database);
  try {
    const filled = await firstFilled(db);
    if (filled !== undefined)
      throw new CodedError('not_empty', `the database is not empty (${filled} has rows): a backup goes into a new one`);
    const left = await prepare(db, reader, place.addons ?? { names: [], beside: '' });
    const lost = new Set([...left.values()].flat());
    const tables = reader.head.tables.filter(({ name }) => !lost.has(name));
    const made = await putFiles(place.data, reader, progress);
    try {
      const rows = await putRows(db, reader, tables, progress);
      await migrate(db);
      const bytes = made.reduce((sum, file) => sum + file.size, 0);
      return { tables: tables.length, rows, files: made.length, bytes, left };
    } catch (error) {
      for (const file of made) await rm(file.path, { force: true });
      throw error;
    }
  } finally {
    await db.destroy();
  }
}

/**
 * Makes the tables as they were when the backup was made; what has come since is done to them when they are filled. Those
 * of add-ons that are not here, by add-on.
 */
async function prepare(
  db: Db,
  { head }: BackupReader,
  addons: NonNullable<Target['addons']>,
): Promise<Map<string, string[]>> {
  const brought = await addonSteps(db, addons);
  const unknown = head.migrations.find((name) => !knownSteps.includes(name));
  if (unknown !== undefined)
    throw new CodedError('bad_backup', `the backup is of a newer Patchbay (it has ${unknown}): install that one first`);
  await migrate(db, head.migrations);
  for (const [id, steps] of brought) {
    const later = head.addons[`${addonPrefix(id)}migrations`]?.find((name) => !Object.hasOwn(steps, name));
    if (later !== undefined)
      throw new CodedError(
        'bad_backup',
        `the backup is of a newer version of the add-on ${id} (it has ${later}): install that one first`,
      );
    await migrateAddon(db, id, steps, head.addons);
  }
  const there = new Set((await tablesOf(db)).map(({ name }) => name));
  const left = new Map<string, string[]>();
  for (const { name } of head.tables) {
    if (there.has(name)) continue;
    const addon = addonOf(name, Object.keys(head.addons));
    if (addon === undefined || [...brought.keys()].some((id) => addonPrefix(id) === `addon_${addon}_`))
      throw new CodedError('bad_backup', `the backup has the table ${name}, which this Patchbay does not know`);
    left.set(addon, [...(left.get(addon) ?? []), name]);
  }
  return left;
}

/** The add-on of a table, as its tables are called, by the tables in which add-ons remember their steps. */
function addonOf(table: string, remembered: readonly string[]): string | undefined {
  const prefixes = remembered.map((name) => name.replace(/migrations$/, '')).filter((name) => table.startsWith(name));
  return /^addon_(.*)_$/.exec(prefixes.sort((a, b) => b.length - a.length)[0] ?? '')?.[1];
}

interface Made {
  readonly path: string;
  readonly size: number;
}

async function putFiles(data: string, reader: BackupReader, progress: Progress): Promise<Made[]> {
  for (const folder of folders) {
    const names = await readdir(join(data, folder)).catch((error: unknown) => {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    });
    // The database is empty: these are nobody's, of a restore that was killed.
    for (const name of names) await rm(join(data, folder, name), { recursive: true, force: true });
    await mkdir(join(data, folder), { recursive: true, mode: 0o700 });
  }
  const made: Made[] = [];
  const files = reader.files();
  try {
    for (const [at, { folder, name, size, content }] of files.entries()) {
      progress('files', at, files.length);
      if (!(folders as readonly string[]).includes(folder))
        throw new CodedError('bad_backup', `the backup has a folder ${folder}, which this Patchbay does not know`);
      const path = join(data, folder, name);
      made.push({ path, size });
      await writeWhole(path, content);
    }
    return made;
  } catch (error) {
    for (const { path } of made) await rm(path, { force: true });
    throw error;
  }
}

async function putRows(db: Db, reader: BackupReader, tables: readonly Table[], progress: Progress): Promise<number> {
  return db.transaction().execute(async (tx) => {
    if (onPostgres(db)) await sql`set local statement_timeout = 0`.execute(tx);
    // Migrations may have put rows of their own; the backup has them too.
    for (const { name } of tables.toReversed()) await emptied(tx, name);
    let rows = 0;
    for (const table of tables) {
      for await (const piece of reader.rows(table.name)) {
        await insertRows(tx, table, piece).catch((error: unknown) => {
          throw new CodedError(codeOf(error) ?? 'bad_backup', `${table.name} cannot be restored: ${messageOf(error)}`, {
            cause: error,
          });
        });
        rows += piece.length;
        progress(table.name, rows);
      }
      await goOnCounting(tx, table);
    }
    return rows;
  });
}

const emptied = (tx: Queries, name: string) => sql`delete from ${sql.table(name)}`.execute(tx);
