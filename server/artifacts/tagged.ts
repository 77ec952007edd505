import { sql, type RawBuilder, type SqlBool } from 'kysely';
import type { Scope } from '../http/rights.ts';
import type { Queries } from '../store/store.ts';

/** True where a column names a release that a right with this scope reaches: by any of its tags. */
export function tagged(
  column: 'releases.name' | 'artifacts.name' | 'release_tags.release_name',
  scope: Scope,
): RawBuilder<SqlBool> {
  if (scope === 'all') return sql<SqlBool>`1 = 1`;
  if (scope.length === 0) return sql<SqlBool>`1 = 0`;
  return sql<SqlBool>`${sql.ref(column)} in (select reached.release_name from release_tags as reached
    where reached.tag in (${sql.join(scope)}))`;
}

export async function tagsOf(db: Queries, release: string): Promise<string[]> {
  const rows = await db.selectFrom('release_tags').select('tag').where('release_name', '=', release).execute();
  return rows.map(({ tag }) => tag);
}

/** Whether a right with this scope reaches a release. */
export async function reachesRelease(db: Queries, release: string, scope: Scope): Promise<boolean> {
  return scope === 'all' || (await tagsOf(db, release)).some((tag) => scope.includes(tag));
}
