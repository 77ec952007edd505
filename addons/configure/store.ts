import type { Kysely } from 'kysely';
import type { Migration } from '#addon/server';
import type { Values } from './values.ts';

/** One row a device that was ever given settings or reported some. Maps are JSON text, times RFC 3339. */
interface ConfigurationRow {
  device_id: string;
  configured: string;
  configured_ts: string | null;
  reported: string;
  reported_ts: string | null;
  /** The last deployment of `configured`. */
  deployment_id: string | null;
}

export interface Tables {
  addon_configure_devices: ConfigurationRow;
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
};

export interface Configuration {
  /** What the device is to have. */
  readonly configured: Values;
  /** What it said it has. */
  readonly reported: Values;
  readonly updated_ts?: string;
  readonly reported_ts?: string;
  readonly deployment_id?: string;
}

const now = (): string => new Date().toISOString();

/** What is kept of the devices' settings. */
export class Configurations {
  readonly #tables: Kysely<Tables>;
  constructor(tables: Kysely<Tables>) {
    this.#tables = tables;
  }

  /** A device nobody has configured yet has empty settings. */
  async get(deviceId: string): Promise<Configuration> {
    const row = await this.#tables
      .selectFrom('addon_configure_devices')
      .selectAll()
      .where('device_id', '=', deviceId)
      .executeTakeFirst();
    if (!row) return { configured: {}, reported: {} };
    return {
      configured: JSON.parse(row.configured) as Values,
      reported: JSON.parse(row.reported) as Values,
      ...(row.configured_ts === null ? {} : { updated_ts: row.configured_ts }),
      ...(row.reported_ts === null ? {} : { reported_ts: row.reported_ts }),
      ...(row.deployment_id === null ? {} : { deployment_id: row.deployment_id }),
    };
  }

  async configure(deviceId: string, values: Values): Promise<void> {
    await this.#set(deviceId, { configured: JSON.stringify(values), configured_ts: now() });
  }

  async report(deviceId: string, values: Values): Promise<void> {
    await this.#set(deviceId, { reported: JSON.stringify(values), reported_ts: now() });
  }

  async deployed(deviceId: string, deploymentId: string): Promise<void> {
    await this.#set(deviceId, { deployment_id: deploymentId });
  }

  async forget(deviceId: string): Promise<void> {
    await this.#tables.deleteFrom('addon_configure_devices').where('device_id', '=', deviceId).execute();
  }

  async #set(device_id: string, change: Partial<ConfigurationRow>): Promise<void> {
    const none = { configured: '{}', configured_ts: null, reported: '{}', reported_ts: null, deployment_id: null };
    await this.#tables
      .insertInto('addon_configure_devices')
      .values({ device_id, ...none, ...change })
      .onConflict((c) => c.column('device_id').doUpdateSet(change))
      .execute();
  }
}
