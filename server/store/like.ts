import { type RawBuilder, sql } from 'kysely';

// `lower` of either database knows the 26 letters of ASCII, and no others: so must we.
const escaped = (text: string): string =>
  text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase()).replaceAll(/[\\%_]/g, String.raw`\$&`);

/** True where a column contains a text, whatever the case of ASCII letters; nothing in the text is a wildcard. */
export const likeAnywhere = (column: string, text: string): RawBuilder<boolean> =>
  sql<boolean>`lower(${sql.ref(column)}) like ${`%${escaped(text)}%`} escape '\\'`;

/** True where a column begins with a text, in this case. */
export const beginsWith = (column: string, text: string): RawBuilder<boolean> =>
  sql<boolean>`substr(${sql.ref(column)}, 1, ${Array.from(text).length}) = ${text}`;
