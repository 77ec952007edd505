import { type Kysely, sql } from 'kysely';

/**
 * Groups that have a record, and indexes for 100 000 devices: by text and by number, each only of the rows that have one,
 * with what a list sorted by an attribute needs.
 */
export async function up(db: Kysely<unknown>): Promise<void> {
  const schema = db.schema;
  await schema
    .createTable('groups')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('id', 'text', (c) => c.notNull().unique())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('parent', 'text')
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('terms', 'text')
    .addColumn('created_ts', 'text', (c) => c.notNull())
    .addColumn('updated_ts', 'text', (c) => c.notNull())
    .execute();
  await schema.dropIndex('attributes_text').execute();
  await schema.dropIndex('attributes_num').execute();
  // A prefix of the text: a value may be longer than an index entry of PostgreSQL may be.
  await sql`create index attributes_by_text on attributes (scope, name, substr(text, 1, 200), device_id, seq)
    where text is not null`.execute(db);
  await sql`create index attributes_by_num on attributes (scope, name, num, device_id, seq)
    where num is not null`.execute(db);
}
