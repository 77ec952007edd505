import SQLite from 'better-sqlite3';
import { SqliteDialect } from 'kysely';
import { sqliteFile } from '../data-folder.ts';
import { prepared } from './prepared.ts';
import type { Database } from './tables.ts';
import { Serial } from './transactions.ts';

/** ms that a writer waits for another program's, such as `patchbay user add`. */
const busyMs = 5000;

/** The SQLite database in a data folder, made if there is none. */
export function openSqlite(data: string): Serial<Database> {
  const sqlite = new SQLite(sqliteFile(data), { timeout: busyMs });
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma('foreign_keys = ON');
  return new Serial<Database>(new SqliteDialect({ database: prepared(sqlite) }));
}
