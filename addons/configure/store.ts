import type { Kysely, Transaction } from 'kysely';
import type { Schema } from './keys.ts';
import { type Layer, type Place, type Stamps, stampsAfter } from './layers.ts';
import type { DeviceRow, HistoryRow, LayerRow, Tables } from './tables.ts';
import { equal, type Values } from './values.ts';

/** What a device said it has, and what it was sent. */
export interface Device {
  readonly reported: Values;
  readonly reportedStamps: Stamps;
  readonly reported_ts?: string;
  readonly sent?: Values;
  readonly sent_ts?: string;
  readonly deployment_id?: string;
}

export interface Revision {
  readonly revision: number;
  readonly values: Values;
  readonly ts: string;
  readonly by: string;
  readonly reverts?: number;
}

/** Revisions of one place that are kept; one more is the base that the oldest is compared with. */
export const historyLimit = 100;

const schemaRow = { kind: 'schema', name: '' } as const;
type Key = { readonly kind: LayerRow['kind']; readonly name: string };
const now = (): string => new Date().toISOString();

/** What is kept of settings. */
export class Store {
  readonly #tables: Kysely<Tables>;
  constructor(tables: Kysely<Tables>) {
    this.#tables = tables;
  }

  async schema(): Promise<{ schema: Schema; revision: number }> {
    const row = await read(this.#tables, schemaRow);
    if (!row) return { schema: { properties: {} }, revision: 0 };
    return { schema: JSON.parse(row.content) as Schema, revision: row.revision };
  }

  async setSchema(schema: Schema, by: string): Promise<number> {
    return await this.#tables.transaction().execute(async (trx) => {
      const before = await read(trx, schemaRow);
      return await write(trx, schemaRow, before, { content: JSON.stringify(schema), stamps: '{}', priority: 0, by });
    });
  }

  /** One that was never given is empty. */
  async layer(place: Place): Promise<Layer> {
    const row = await read(this.#tables, place);
    return row ? layerOf(row) : empty(place);
  }

  /** All that are given for the fleet and for groups. */
  async shared(): Promise<Layer[]> {
    const rows = await this.#tables
      .selectFrom('addon_configure_layers')
      .selectAll()
      .where('kind', 'in', ['fleet', 'group'])
      .execute();
    return rows.map(layerOf);
  }

  /**
   * Changes what is given in a place, in one transaction, which may run more than once. What `change` gives back is kept;
   * what is as it was gets no revision of its own.
   */
  async change(
    place: Place,
    by: string,
    change: (before: Layer) => { values: Values; priority?: number; reverts?: number },
  ): Promise<{ before: Layer; after: Layer }> {
    return await this.#tables.transaction().execute(async (trx) => {
      const row = await read(trx, place);
      const before = row ? layerOf(row) : empty(place);
      const { values, priority = before.priority, reverts } = change(before);
      const stamps = stampsAfter(before.stamps, before.values, values, now());
      const content = JSON.stringify(values);
      if (row && equal(before.values, values) && row.priority === priority) return { before, after: before };
      const written = { content, stamps: JSON.stringify(stamps), priority, by, reverts };
      const revision = await write(trx, place, row, written);
      return { before, after: { ...before, values, stamps, priority, revision } };
    });
  }

  /** The newest first; one more than `limit`, if there is one. */
  async history({ kind, name }: Place, limit: number, before?: number): Promise<Revision[]> {
    const query = this.#tables
      .selectFrom('addon_configure_history')
      .selectAll()
      .where('kind', '=', kind)
      .where('name', '=', name)
      .orderBy('revision', 'desc')
      .limit(limit + 1);
    const rows = await (before === undefined ? query : query.where('revision', '<', before)).execute();
    return rows.map(revisionOf);
  }

  async revision({ kind, name }: Place, revision: number): Promise<Revision | undefined> {
    const row = await this.#tables
      .selectFrom('addon_configure_history')
      .selectAll()
      .where('kind', '=', kind)
      .where('name', '=', name)
      .where('revision', '=', revision)
      .executeTakeFirst();
    return row && revisionOf(row);
  }

  async device(deviceId: string): Promise<Device> {
    const row = await this.#device(this.#tables, deviceId);
    if (!row) return { reported: {}, reportedStamps: {} };
    return {
      reported: JSON.parse(row.reported) as Values,
      reportedStamps: JSON.parse(row.reported_stamps) as Stamps,
      ...(row.reported_ts === null ? {} : { reported_ts: row.reported_ts }),
      ...(row.sent === null ? {} : { sent: JSON.parse(row.sent) as Values }),
      ...(row.sent_ts === null ? {} : { sent_ts: row.sent_ts }),
      ...(row.deployment_id === null ? {} : { deployment_id: row.deployment_id }),
    };
  }

  async report(deviceId: string, values: Values): Promise<void> {
    await this.#tables.transaction().execute(async (trx) => {
      const row = await this.#device(trx, deviceId);
      const before = row ? (JSON.parse(row.reported) as Values) : {};
      const stamps = row ? (JSON.parse(row.reported_stamps) as Stamps) : {};
      await this.#set(trx, deviceId, {
        reported: JSON.stringify(values),
        reported_stamps: JSON.stringify(stampsAfter(stamps, before, values, now())),
        reported_ts: now(),
      });
    });
  }

  async sent(deviceId: string, deploymentId: string, values: Values): Promise<void> {
    await this.#set(this.#tables, deviceId, {
      deployment_id: deploymentId,
      sent: JSON.stringify(values),
      sent_ts: now(),
    });
  }

  async forget(deviceId: string): Promise<void> {
    await this.#tables.deleteFrom('addon_configure_devices').where('device_id', '=', deviceId).execute();
    for (const table of ['addon_configure_layers', 'addon_configure_history'] as const)
      await this.#tables.deleteFrom(table).where('kind', '=', 'device').where('name', '=', deviceId).execute();
  }

  async #device(db: Kysely<Tables>, deviceId: string): Promise<DeviceRow | undefined> {
    return await db
      .selectFrom('addon_configure_devices')
      .selectAll()
      .where('device_id', '=', deviceId)
      .executeTakeFirst();
  }

  async #set(db: Kysely<Tables>, device_id: string, change: Partial<DeviceRow>): Promise<void> {
    const none = {
      reported: '{}',
      reported_stamps: '{}',
      reported_ts: null,
      sent: null,
      sent_ts: null,
      deployment_id: null,
    };
    await db
      .insertInto('addon_configure_devices')
      .values({ device_id, ...none, ...change })
      .onConflict((c) => c.column('device_id').doUpdateSet(change))
      .execute();
  }
}

const read = (db: Kysely<Tables>, { kind, name }: Key): Promise<LayerRow | undefined> =>
  db
    .selectFrom('addon_configure_layers')
    .selectAll()
    .where('kind', '=', kind)
    .where('name', '=', name)
    .executeTakeFirst();

/** Writes the next revision, and forgets the oldest; its number. */
async function write(
  trx: Transaction<Tables>,
  { kind, name }: Key,
  before: LayerRow | undefined,
  given: { content: string; stamps: string; priority: number; by: string; reverts?: number | undefined },
): Promise<number> {
  const { content, stamps, priority, by, reverts = null } = given;
  const revision = (before?.revision ?? 0) + 1;
  const ts = now();
  const change = { content, stamps, revision, priority, updated_ts: ts, updated_by: by };
  await trx
    .insertInto('addon_configure_layers')
    .values({ kind, name, ...change })
    .onConflict((c) => c.columns(['kind', 'name']).doUpdateSet(change))
    .execute();
  await trx
    .insertInto('addon_configure_history')
    .values({ kind, name, revision, content, ts, by_whom: by, reverts })
    .execute();
  await trx
    .deleteFrom('addon_configure_history')
    .where('kind', '=', kind)
    .where('name', '=', name)
    .where('revision', '<', revision - historyLimit)
    .execute();
  return revision;
}

const empty = (place: Place): Layer => ({ place, values: {}, stamps: {}, revision: 0, priority: 0 });

function layerOf({ kind, name, content, stamps, revision, priority, updated_ts, updated_by }: LayerRow): Layer {
  return {
    // The schema is never read as one of these.
    place: { kind: kind as Place['kind'], name },
    values: JSON.parse(content) as Values,
    stamps: JSON.parse(stamps) as Stamps,
    revision,
    priority,
    updated_ts,
    updated_by,
  };
}

const revisionOf = ({ revision, content, ts, by_whom, reverts }: HistoryRow): Revision => ({
  revision,
  values: JSON.parse(content) as Values,
  ts,
  by: by_whom,
  ...(reverts === null ? {} : { reverts }),
});
