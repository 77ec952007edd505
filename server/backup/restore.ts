import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sql } from 'kysely';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { migrateAddons } from '../addons.ts';
import { makeDataFolder } from '../data-folder.ts';
import { type Db, knownSteps, migrate, onPostgres, openDatabase, type Queries } from '../store/store.ts';
import type { Done, Progress } from './backup.ts';
import { folders } from './format.ts';
import { BackupReader } from './reader.ts';
import { firstFilled, goOnCounting, insertRows, tablesOf } from './tables.ts';
import { writeWhole } from './whole.ts';

/**
 * Brings a backup into an empty data folder and database, of either kind. The whole file is checked first. The rows come
 * in one transaction, after the files that they name: until then, and if it fails, the database is empty.
 */
export async function restore(
  place: { data: string; database?: string | undefined },
  path: string,
  progress: Progress,
): Promise<Done> {
  await using reader = await BackupReader.open(path, (bytes, of) => progress('checking', bytes, of));
  await makeDataFolder(place.data);
  const db = await openDatabase(place.data, place.database);
  try {
    const filled = await firstFilled(db);
    if (filled !== undefined)
      throw new CodedError('not_empty', `the database is not empty (${filled} has rows): a backup goes into a new one`);
    await prepare(db, reader);
    const made = await putFiles(place.data, reader, progress);
    try {
      const rows = await putRows(db, reader, progress);
      await migrate(db);
      const bytes = made.reduce((sum, file) => sum + file.size, 0);
      return { tables: reader.head.tables.length, rows, files: made.length, bytes };
    } catch (error) {
      for (const file of made) await rm(file.path, { force: true });
      throw error;
    }
  } finally {
    await db.destroy();
  }
}

/** Makes the tables as they were when the backup was made; what has come since is done to them when they are filled. */
async function prepare(db: Db, { head }: BackupReader): Promise<void> {
  const unknown = head.migrations.find((name) => !knownSteps.includes(name));
  if (unknown !== undefined)
    throw new CodedError('bad_backup', `the backup is of a newer Patchbay (it has ${unknown}): install that one first`);
  await migrate(db, head.migrations);
  await migrateAddons(db, head.addons);
  const there = new Set((await tablesOf(db)).map(({ name }) => name));
  const missing = head.tables.find(({ name }) => !there.has(name));
  if (missing)
    throw new CodedError('bad_backup', `the backup has the table ${missing.name}, which this Patchbay does not know`);
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

async function putRows(db: Db, reader: BackupReader, progress: Progress): Promise<number> {
  return db.transaction().execute(async (tx) => {
    if (onPostgres(db)) await sql`set local statement_timeout = 0`.execute(tx);
    // Migrations may have put rows of their own; the backup has them too.
    for (const { name } of reader.head.tables.toReversed()) await emptied(tx, name);
    let rows = 0;
    for (const table of reader.head.tables) {
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
