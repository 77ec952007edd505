import { type Expression, type RawBuilder, sql, type SqlBool } from 'kysely';
import { onPostgres, type Queries } from './store.ts';

/** Values that still go as a parameter each. More go as one: a statement takes a limited number, and is compiled anew. */
const plain = 500;

/** True where a column is one of some texts, however many. */
export function isOneOf(db: Queries, column: string, values: readonly string[]): Expression<SqlBool> {
  if (values.length === 0) return sql<SqlBool>`1 = 0`;
  const list = values.length <= plain ? sql.join(values) : rows(db, values);
  return sql<SqlBool>`${sql.ref(column)} in (${list})`;
}

function rows(db: Queries, values: readonly string[]): RawBuilder<unknown> {
  const list = JSON.stringify(values);
  return onPostgres(db)
    ? sql`select json_array_elements_text(${list}::json)`
    : sql`select value from json_each(${list})`;
}
