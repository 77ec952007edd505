import type SQLite from 'better-sqlite3';
import type { SqliteDatabase, SqliteStatement } from 'kysely';
import { lossOf } from './loss.ts';
import { refuseNul } from './nul.ts';

/** Different statements that are kept compiled. The server has fewer; lists of many lengths make more. */
const limit = 500;

/**
 * SQLite for kysely, which compiles each statement anew for every query: here each text is compiled once. Streaming
 * (`iterate`) would keep a statement busy between two queries: nothing of ours streams rows.
 */
export function prepared(sqlite: SQLite.Database): SqliteDatabase {
  const statements = new Map<string, SqliteStatement>();
  return {
    close: () => void sqlite.close(),
    prepare(text) {
      const known = statements.get(text);
      if (known) return known;
      const statement = guarded(sqlite.prepare(text));
      if (statements.size >= limit) for (const [oldest] of statements) if (statements.delete(oldest)) break;
      statements.set(text, statement);
      return statement;
    },
  };
}

/** Parameters are checked on their way in; a database that another program holds says so on its way out. */
function guarded(statement: SqliteStatement): SqliteStatement {
  const run = <T>(parameters: readonly unknown[], work: () => T): T => {
    refuseNul(parameters);
    try {
      return work();
    } catch (error) {
      throw lossOf(error) ?? error;
    }
  };
  return {
    reader: statement.reader,
    all: (parameters) => run(parameters, () => statement.all(parameters)),
    run: (parameters) => run(parameters, () => statement.run(parameters)),
    iterate: (parameters) => statement.iterate(parameters),
  };
}
