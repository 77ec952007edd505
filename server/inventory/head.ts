import { type RawBuilder, sql, type SqlBool } from 'kysely';

/** Characters of a text that an index holds: all of it may be longer than an index entry of PostgreSQL may be. */
const length = 200;

/** The beginning of a column's text, as the index `attributes_by_text` spells it. */
export const headed = (column: string): RawBuilder<string> => sql<string>`substr(${sql.ref(column)}, 1, 200)`;

/** The same of a value. By characters, as SQL counts, not by UTF-16 units. */
export const head = (value: string): string =>
  value.length <= length ? value : Array.from(value).slice(0, length).join('');

/** Whether a value's beginning is all of it, and of no longer text: then the index alone decides. */
export const isWhole = (value: string): boolean => head(value) === value && Array.from(value).length < length;

/** True where a column's text is one of some. To say the same twice would have PostgreSQL expect next to nothing. */
export function isAnyText(column: string, values: readonly string[]): RawBuilder<SqlBool> {
  const heads = sql`${headed(column)} in (${sql.join(values.map(head))})`;
  return values.every(isWhole)
    ? sql<SqlBool>`(${sql.ref(column)} is not null and ${heads})`
    : sql<SqlBool>`(${heads} and ${sql.ref(column)} in (${sql.join(values)}))`;
}
