import { type Kysely, sql } from 'kysely';
import type { Migration } from '#addon/server';

/** How the tables came to be (`tables.ts`). What has landed never changes. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-first': async (db) => {
    await alerts(db);
    await people(db);
    await checks(db);
    await db.schema
      .createTable('addon_monitor_settings')
      .addColumn('id', 'integer', (c) => c.primaryKey())
      .addColumn('document', 'text', (c) => c.notNull())
      .execute();
  },
};

async function alerts(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('addon_monitor_alerts')
    .addColumn('device_id', 'text', (c) => c.notNull())
    .addColumn('id', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('level', 'text', (c) => c.notNull())
    .addColumn('ts', 'text', (c) => c.notNull())
    .addColumn('received', 'text', (c) => c.notNull())
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addColumn('content', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('addon_monitor_alerts_key', ['device_id', 'id'])
    .execute();
  await db.schema
    .createIndex('addon_monitor_alerts_by_time')
    .on('addon_monitor_alerts')
    .columns(['device_id', 'ts', 'seq'])
    .execute();
  await db.schema.createIndex('addon_monitor_alerts_by_age').on('addon_monitor_alerts').columns(['received']).execute();
  await db.schema
    .createTable('addon_monitor_states')
    .addColumn('device_id', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('level', 'text', (c) => c.notNull())
    .addColumn('bad', 'integer', (c) => c.notNull())
    .addColumn('since', 'text', (c) => c.notNull())
    .addColumn('received', 'text', (c) => c.notNull())
    .addColumn('ts', 'text', (c) => c.notNull())
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addColumn('alert_id', 'text', (c) => c.notNull())
    .addColumn('content', 'text', (c) => c.notNull())
    .addColumn('acked_by', 'text')
    .addColumn('acked_ts', 'text')
    .addColumn('acked_note', 'text')
    .addColumn('told', 'integer', (c) => c.notNull())
    .addPrimaryKeyConstraint('addon_monitor_states_key', ['device_id', 'key'])
    .execute();
  // What is well is not looked for across devices.
  await db.schema
    .createIndex('addon_monitor_states_bad')
    .on('addon_monitor_states')
    .columns(['seq'])
    .where(sql.ref('bad'), '=', sql.lit(1))
    .execute();
  await db.schema
    .createIndex('addon_monitor_states_untold')
    .on('addon_monitor_states')
    .columns(['seq'])
    .where(sql<boolean>`bad = 1 and told = 0`)
    .execute();
  await db.schema
    .createTable('addon_monitor_events')
    .addColumn('seq', 'bigint', (c) => c.primaryKey())
    .addColumn('device_id', 'text', (c) => c.notNull())
    .addColumn('key', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('level', 'text', (c) => c.notNull())
    .addColumn('before', 'text', (c) => c.notNull())
    .addColumn('ts', 'text', (c) => c.notNull())
    .addColumn('queued', 'text', (c) => c.notNull())
    .addColumn('content', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createIndex('addon_monitor_events_by_device')
    .on('addon_monitor_events')
    .columns(['device_id'])
    .execute();
}

async function people(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('addon_monitor_silences')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('device_id', 'text')
    .addColumn('in_group', 'text')
    .addColumn('check_key', 'text')
    .addColumn('starts', 'text', (c) => c.notNull())
    .addColumn('ends', 'text', (c) => c.notNull())
    .addColumn('reason', 'text', (c) => c.notNull())
    .addColumn('created_by', 'text', (c) => c.notNull())
    .addColumn('created_ts', 'text', (c) => c.notNull())
    .addColumn('ended_by', 'text')
    .execute();
  await db.schema.createIndex('addon_monitor_silences_by_end').on('addon_monitor_silences').columns(['ends']).execute();
  await db.schema
    .createTable('addon_monitor_channels')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull().unique())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('enabled', 'integer', (c) => c.notNull())
    .addColumn('target', 'text', (c) => c.notNull())
    .addColumn('in_groups', 'text', (c) => c.notNull())
    .addColumn('levels', 'text', (c) => c.notNull())
    .addColumn('checks', 'text', (c) => c.notNull())
    .addColumn('recoveries', 'integer', (c) => c.notNull())
    .addColumn('created_ts', 'text', (c) => c.notNull())
    .addColumn('updated_ts', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('addon_monitor_messages')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('channel', 'text', (c) => c.notNull())
    .addColumn('channel_name', 'text', (c) => c.notNull())
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('created', 'text', (c) => c.notNull())
    .addColumn('seq', 'bigint', (c) => c.notNull())
    .addColumn('due', 'text', (c) => c.notNull())
    .addColumn('tries', 'integer', (c) => c.notNull())
    .addColumn('sent_ts', 'text')
    .addColumn('error', 'text')
    .addColumn('subject', 'text', (c) => c.notNull())
    .addColumn('devices', 'integer', (c) => c.notNull())
    .addColumn('alerts', 'integer', (c) => c.notNull())
    .addColumn('content', 'text')
    .execute();
  await db.schema.createIndex('addon_monitor_messages_by_seq').on('addon_monitor_messages').columns(['seq']).execute();
  await db.schema
    .createIndex('addon_monitor_messages_waiting')
    .on('addon_monitor_messages')
    .columns(['channel', 'seq'])
    .where(sql.ref('state'), '=', sql.lit('waiting'))
    .execute();
}

async function checks(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('addon_monitor_reports')
    .addColumn('device_id', 'text', (c) => c.primaryKey())
    .addColumn('config', 'text')
    .addColumn('config_ts', 'text')
    .addColumn('asked_ts', 'text')
    .addColumn('asked_version', 'text')
    .execute();
  await db.schema
    .createTable('addon_monitor_checks')
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('content', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('priority', 'integer', (c) => c.notNull())
    .addColumn('updated_ts', 'text', (c) => c.notNull())
    .addColumn('updated_by', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('addon_monitor_checks_key', ['kind', 'name'])
    .execute();
  await db.schema
    .createTable('addon_monitor_check_history')
    .addColumn('kind', 'text', (c) => c.notNull())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('version', 'integer', (c) => c.notNull())
    .addColumn('content', 'text', (c) => c.notNull())
    .addColumn('ts', 'text', (c) => c.notNull())
    .addColumn('by_whom', 'text', (c) => c.notNull())
    .addColumn('reverts', 'integer')
    .addPrimaryKeyConstraint('addon_monitor_check_history_key', ['kind', 'name', 'version'])
    .execute();
}
