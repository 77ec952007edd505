import type { Kysely } from 'kysely';
import type { Migration } from '#addon/server';
import { type Place, stampsAfter } from './layers.ts';
import type { Values } from './values.ts';

/** What is given in one place: the fleet, a group, a device; and the schema, which is one of its own. Maps are JSON, times RFC 3339. */
export interface LayerRow {
  kind: Place['kind'] | 'schema';
  name: string;
  content: string;
  stamps: string;
  revision: number;
  priority: number;
  updated_ts: string;
  updated_by: string;
}

export interface HistoryRow {
  kind: LayerRow['kind'];
  name: string;
  revision: number;
  content: string;
  ts: string;
  by_whom: string;
  /** The revision whose settings these are again. */
  reverts: number | null;
}

/** One row a device that ever reported settings or was sent some. */
export interface DeviceRow {
  device_id: string;
  reported: string;
  reported_stamps: string;
  reported_ts: string | null;
  /** The last that was sent, and its deployment. */
  sent: string | null;
  sent_ts: string | null;
  deployment_id: string | null;
}

export interface Tables {
  addon_configure_layers: LayerRow;
  addon_configure_history: HistoryRow;
  addon_configure_devices: DeviceRow;
}

/** As it was after the first migration. */
interface FirstTables {
  addon_configure_devices: DeviceRow & { configured: string; configured_ts: string | null };
}

export const migrations: Readonly<Record<string, Migration>> = {
  '0001-first': async (db) => {
    await db.schema
      .createTable('addon_configure_devices')
      .addColumn('device_id', 'text', (c) => c.primaryKey())
      .addColumn('configured', 'text', (c) => c.notNull())
      .addColumn('configured_ts', 'text')
      .addColumn('reported', 'text', (c) => c.notNull())
      .addColumn('reported_ts', 'text')
      .addColumn('deployment_id', 'text')
      .execute();
  },
  '0002-layers': async (db) => {
    await db.schema
      .createTable('addon_configure_layers')
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('content', 'text', (c) => c.notNull())
      .addColumn('stamps', 'text', (c) => c.notNull())
      .addColumn('revision', 'integer', (c) => c.notNull())
      .addColumn('priority', 'integer', (c) => c.notNull())
      .addColumn('updated_ts', 'text', (c) => c.notNull())
      .addColumn('updated_by', 'text', (c) => c.notNull())
      .addPrimaryKeyConstraint('addon_configure_layers_key', ['kind', 'name'])
      .execute();
    await db.schema
      .createTable('addon_configure_history')
      .addColumn('kind', 'text', (c) => c.notNull())
      .addColumn('name', 'text', (c) => c.notNull())
      .addColumn('revision', 'integer', (c) => c.notNull())
      .addColumn('content', 'text', (c) => c.notNull())
      .addColumn('ts', 'text', (c) => c.notNull())
      .addColumn('by_whom', 'text', (c) => c.notNull())
      .addColumn('reverts', 'integer')
      .addPrimaryKeyConstraint('addon_configure_history_key', ['kind', 'name', 'revision'])
      .execute();
    const old = db as Kysely<FirstTables & Omit<Tables, 'addon_configure_devices'>>;
    const rows = await old
      .selectFrom('addon_configure_devices')
      .select(['device_id', 'configured', 'configured_ts'])
      .execute();
    for (const { device_id: name, configured: content, configured_ts: ts } of rows) {
      if (ts === null) continue;
      const stamps = JSON.stringify(stampsAfter({}, {}, JSON.parse(content) as Values, ts));
      const row = { kind: 'device', name, content, revision: 1 } as const;
      await old
        .insertInto('addon_configure_layers')
        .values({ ...row, stamps, priority: 0, updated_ts: ts, updated_by: '' })
        .execute();
      await old
        .insertInto('addon_configure_history')
        .values({ ...row, ts, by_whom: '', reverts: null })
        .execute();
    }
    const table = db.schema.alterTable('addon_configure_devices');
    await table.addColumn('reported_stamps', 'text', (c) => c.notNull().defaultTo('{}')).execute();
    await table.addColumn('sent', 'text').execute();
    await table.addColumn('sent_ts', 'text').execute();
    await table.dropColumn('configured').execute();
    await table.dropColumn('configured_ts').execute();
  },
};
