import { type Kysely, sql } from 'kysely';

/** Direct uploads; integrations and the events that they are told of. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('direct_uploads')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('expires', 'text', (c) => c.notNull())
    .addColumn('artifact', 'text')
    .addColumn('size', 'bigint', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('integrations')
    .addColumn('id', 'text', (c) => c.primaryKey())
    // One of any kind (`server-api.md` §2.9): the same value in each row.
    .addColumn('slot', 'integer', (c) => c.notNull().unique())
    .addColumn('provider', 'text', (c) => c.notNull())
    .addColumn('credentials', 'text', (c) => c.notNull())
    .addColumn('description', 'text')
    .addColumn('created_ts', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('integration_events')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('time', 'text', (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('data', 'text', (c) => c.notNull())
    .addColumn('waiting', 'integer', (c) => c.notNull())
    .addColumn('statuses', 'text', (c) => c.notNull())
    .execute();
  await db.schema.createIndex('integration_events_time').on('integration_events').columns(['time', 'id']).execute();
  await db.schema
    .createIndex('integration_events_waiting')
    .on('integration_events')
    .column('time')
    .where(sql.ref('waiting'), '=', sql.lit(1))
    .execute();
  await db.schema
    .createTable('provisioned_devices')
    .addColumn('device_id', 'text', (c) => c.primaryKey())
    .execute();
}
