import type { Kysely } from 'kysely';

/** Recordings of terminals: what is known of each, beside its file. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('recordings')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('device_id', 'text', (c) => c.notNull())
    .addColumn('user_id', 'text', (c) => c.notNull())
    .addColumn('user_name', 'text', (c) => c.notNull())
    .addColumn('started_ts', 'text', (c) => c.notNull())
    .addColumn('ended_ts', 'text')
    .addColumn('size', 'bigint', (c) => c.notNull().defaultTo(0))
    .execute();
  await db.schema.createIndex('recordings_started').on('recordings').column('started_ts').execute();
  await db.schema.createIndex('recordings_device').on('recordings').columns(['device_id', 'started_ts']).execute();
}
