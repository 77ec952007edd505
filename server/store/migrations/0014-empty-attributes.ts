import { type Kysely, sql } from 'kysely';

/** Attributes that have neither a text nor a number, as an empty array has none: who has one at all is found by three indexes. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`create index attributes_by_nothing on attributes (scope, name, device_id)
    where text is null and num is null`.execute(db);
}
