import { type Compilable, CompiledQuery, sql } from 'kysely';
import { type Db, onPostgres } from './store.ts';

/**
 * How a database would answer a query, a step a line. PostgreSQL must know what is in its tables (`analyze`); what it
 * would do if they were not as `small` as a test's is what it says without its scans of whole tables.
 */
export async function planOf(db: Db, query: Compilable, { small = false } = {}): Promise<string> {
  const { sql: text, parameters } = query.compile();
  const postgres = onPostgres(db);
  const words = postgres ? 'explain' : 'explain query plan';
  return db.transaction().execute(async (tx) => {
    if (postgres && small) await sql`set local enable_seqscan = off`.execute(tx);
    const plan = CompiledQuery.raw(`${words} ${text}`, [...parameters]);
    const { rows } = await tx.executeQuery<Record<string, unknown>>(plan);
    return rows.map((row) => String(row['detail'] ?? row['QUERY PLAN'])).join('\n');
  });
}
