import { type RawBuilder, sql } from 'kysely';

const escaped = (text: string): string => text.toLowerCase().replaceAll(/[\\%_]/g, String.raw`\$&`);

/** True where a column contains a text, whatever the case; nothing in the text is a wildcard. */
export const likeAnywhere = (column: string, text: string): RawBuilder<boolean> =>
  sql<boolean>`lower(${sql.ref(column)}) like ${`%${escaped(text)}%`} escape '\\'`;

/** True where a column begins with a text, in this case. */
export const beginsWith = (column: string, text: string): RawBuilder<boolean> =>
  sql<boolean>`substr(${sql.ref(column)}, 1, ${Array.from(text).length}) = ${text}`;
