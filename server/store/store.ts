import { join } from 'node:path';
import SQLite from 'better-sqlite3';
import { Kysely, SqliteDialect, type Transaction } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { makeDataFolder, unusable } from '../data-folder.ts';
import { regexp } from './regexp.ts';
import { prepared } from './prepared.ts';
import { up as first } from './migrations/0001-first.ts';
import { up as people } from './migrations/0003-people.ts';
import type { Database } from './tables.ts';

export type Db = Kysely<Database>;
/** The database or a transaction of it. */
export type Queries = Kysely<Database> | Transaction<Database>;

/** In order of their names, forward only. */
const migrations: Readonly<Record<string, Migration>> = {
  '0001-first': { up: first },
  '0003-people': { up: people },
};

/** Opens (and makes or migrates) the SQLite database in a data folder. Throws `data_unusable` in words for a person. */
export async function openStore(data: string): Promise<Db> {
  try {
    await makeDataFolder(data);
    const sqlite = new SQLite(join(data, 'patchbay.db'), { timeout: 5000 });
    sqlite.pragma('journal_mode = WAL');
    sqlite.pragma('synchronous = FULL');
    sqlite.pragma('foreign_keys = ON');
    sqlite.function('regexp', { deterministic: true }, regexp);
    const db: Db = new Kysely<Database>({ dialect: new SqliteDialect({ database: prepared(sqlite) }) });
    await migrate(db);
    return db;
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw unusable(data, error);
  }
}

/** Brings a database to the newest version. */
export async function migrate(db: Db): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => ({ ...migrations }) } });
  const { error } = await migrator.migrateToLatest();
  if (error)
    throw new CodedError('migration_failed', `the database could not be migrated: ${messageOf(error)}`, {
      cause: error,
    });
}

/** Now, as the database and the API spell it. */
export const now = (): string => new Date().toISOString();

/** True for the error of a database that refused a second row with the same unique key. */
export function isDuplicate(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return (
    code.startsWith('SQLITE_CONSTRAINT_UNIQUE') || code.startsWith('SQLITE_CONSTRAINT_PRIMARYKEY') || code === '23505'
  );
}
