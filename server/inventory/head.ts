import { type RawBuilder, sql } from 'kysely';

/** Characters of a text that an index holds: all of it may be longer than an index entry of PostgreSQL may be. */
const length = 200;

/** The beginning of a column's text, as the index `attributes_by_text` spells it. */
export const headed = (column: string): RawBuilder<string> => sql<string>`substr(${sql.ref(column)}, 1, 200)`;

/** The same of a value. By characters, as SQL counts, not by UTF-16 units. */
export const head = (value: string): string =>
  value.length <= length ? value : Array.from(value).slice(0, length).join('');
