import SQLite from 'better-sqlite3';
import { SqliteAdapter, SqliteDialect } from 'kysely';
import { sqliteFile } from '../data-folder.ts';
import { prepared } from './prepared.ts';
import type { Database } from './tables.ts';
import { Serial } from './transactions.ts';

/** ms that a writer waits for another program's, such as `patchbay user add`. */
const busyMs = 5000;

/**
 * Migrations run in a transaction: SQLite's tables are made or not like its rows, though kysely makes no use of it. A server
 * that is killed while it makes its tables would else never start again.
 */
class Dialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new (class extends SqliteAdapter {
      override get supportsTransactionalDdl(): boolean {
        return true;
      }
    })();
  }
}

/** The SQLite database in a data folder, made if there is none. */
export function openSqlite(data: string): Serial<Database> {
  const sqlite = new SQLite(sqliteFile(data), { timeout: busyMs });
  sqlite.pragma('journal_mode = WAL');
  sqlite.pragma('synchronous = FULL');
  sqlite.pragma('foreign_keys = ON');
  return new Serial<Database>(new Dialect({ database: prepared(sqlite) }));
}
