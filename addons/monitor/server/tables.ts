import { type Kysely, sql } from 'kysely';
import type { Migration } from '#addon/server';

// Times are RFC 3339 UTC text with milliseconds, booleans 0 and 1, structures JSON.

/** Each alert, for as long as the history goes back. */
interface AlertRow {
  device_id: string;
  /** The device's own, else made here. */
  id: string;
  /** Of the check that it is of: `keyOf`. */
  key: string;
  level: string;
  /** By the device's clock. */
  ts: string;
  received: string;
  /** Order of arrival; grows, microseconds since the epoch where it can. */
  seq: number;
  /** The alert as it came, JSON. */
  content: string;
}

/** The latest of each check of a device. */
export interface StateRow {
  device_id: string;
  key: string;
  /** Of the alert. */
  name: string;
  level: string;
  /** 1 unless it is OK. */
  bad: number;
  /** Since when it is bad, or well: the device's clock, and ours. */
  since: string;
  received: string;
  ts: string;
  seq: number;
  alert_id: string;
  content: string;
  acked_by: string | null;
  acked_ts: string | null;
  acked_note: string | null;
  /** 1: those who are to be told of its being bad have been, or are about to be. 0: a silence kept it from them. */
  told: number;
}

/** What a device says it watches, and which checks it was given. One row a device that ever said so. */
interface ReportRow {
  device_id: string;
  config: string | null;
  config_ts: string | null;
  /** When it last asked for its checks, to a minute, and the version that it was given. */
  asked_ts: string | null;
  asked_version: string | null;
}

export interface SilenceRow {
  id: string;
  device_id: string | null;
  in_group: string | null;
  check_key: string | null;
  starts: string;
  ends: string;
  reason: string;
  created_by: string;
  created_ts: string;
  ended_by: string | null;
}

/** Changes that nobody has been told of: the outbox. Written with the state, in one transaction. */
export interface EventRow {
  seq: number;
  device_id: string;
  key: string;
  name: string;
  level: string;
  /** Of the state before; an OK tells that this is over. */
  before: string;
  ts: string;
  queued: string;
  content: string;
}

export interface ChannelRow {
  id: string;
  name: string;
  kind: string;
  enabled: number;
  /** Where to, JSON, secret and all. */
  target: string;
  /** JSON lists; empty: all. */
  in_groups: string;
  levels: string;
  checks: string;
  recoveries: number;
  created_ts: string;
  updated_ts: string;
}

/** What is to be sent, and what became of it: queue and delivery log in one. */
export interface MessageRow {
  id: string;
  /** `users`: e-mails to those who may read the devices; else the id of a channel. */
  channel: string;
  channel_name: string;
  kind: string;
  /** `waiting`, `sent`, `failed` (given up) or `dropped` (the queue was full). */
  state: string;
  created: string;
  seq: number;
  /** When it is tried next. */
  due: string;
  tries: number;
  sent_ts: string | null;
  error: string | null;
  subject: string;
  devices: number;
  alerts: number;
  /** What is sent, JSON. Null once it is over. */
  content: string | null;
}

interface CheckLayerRow {
  kind: 'fleet' | 'group' | 'device';
  name: string;
  /** JSON: `{checks, without}`. */
  content: string;
  version: number;
  priority: number;
  updated_ts: string;
  updated_by: string;
}

interface CheckHistoryRow {
  kind: CheckLayerRow['kind'];
  name: string;
  version: number;
  content: string;
  ts: string;
  by_whom: string;
  reverts: number | null;
}

interface SettingsRow {
  id: number;
  document: string;
}

export interface Tables {
  addon_monitor_alerts: AlertRow;
  addon_monitor_states: StateRow;
  addon_monitor_reports: ReportRow;
  addon_monitor_silences: SilenceRow;
  addon_monitor_events: EventRow;
  addon_monitor_channels: ChannelRow;
  addon_monitor_messages: MessageRow;
  addon_monitor_checks: CheckLayerRow;
  addon_monitor_check_history: CheckHistoryRow;
  addon_monitor_settings: SettingsRow;
}

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
