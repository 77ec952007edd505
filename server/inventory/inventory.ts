import type { InventoryDevice, InventoryScope } from '#proto/http/devices';
import { badRequest, notFound } from '../errors.ts';
import { fingerprint } from '../devices/devices.ts';
import type { Live } from '../live/live.ts';
import { now, type Db, type Queries } from '../store/store.ts';
import type { Scope } from '../http/rights.ts';
import { inGroups } from './membership.ts';
import { attributesOf, mergeScope, replaceScope, type Value } from './attributes.ts';
import { searchDevices, type Search } from './search.ts';

const attributesPerDevice = 100;
const rewriteEveryMs = 24 * 3600_000;

/** What is known of devices, by scope (`server-api.md` §3.7). */
export class Inventory {
  readonly #db: Db;
  readonly #live: Live;
  constructor(db: Db, live: Live) {
    this.#db = db;
    this.#live = live;
  }

  /** What a device says of itself: PUT replaces the scope, PATCH merges (§1.6). The same again is written once a day. */
  async report(deviceId: string, values: readonly Value[], mode: 'replace' | 'merge'): Promise<void> {
    const unique = [...new Map(values.map((value) => [value.name, value])).values()];
    const row = await this.#db
      .selectFrom('devices')
      .select(['inventory_hash', 'updated_ts'])
      .where('id', '=', deviceId)
      .executeTakeFirst();
    if (!row) throw notFound('device not found');
    const hash = mode === 'replace' ? fingerprint(JSON.stringify(unique)) : null;
    if (hash !== null && hash === row.inventory_hash && Date.now() - Date.parse(row.updated_ts) < rewriteEveryMs)
      return;
    const ts = now();
    await this.#db.transaction().execute(async (tx) => {
      if (mode === 'replace') {
        if (unique.length > attributesPerDevice) throw tooMany();
        await replaceScope(tx, deviceId, 'inventory', unique, ts);
      } else {
        await mergeScope(tx, deviceId, 'inventory', unique, ts);
        const names = await tx
          .selectFrom('attributes')
          .select('name')
          .distinct()
          .where('device_id', '=', deviceId)
          .where('scope', '=', 'inventory')
          .execute();
        if (names.length > attributesPerDevice) throw tooMany();
      }
      await mergeScope(tx, deviceId, 'system', [{ name: 'updated_ts', value: ts }], ts);
      await tx
        .updateTable('devices')
        .set({ inventory_hash: hash, updated_ts: ts })
        .where('id', '=', deviceId)
        .execute();
    });
    this.#live.tell('inventory', { id: deviceId });
  }

  /** Sets attributes of a scope in the server's name (groups, tags, monitor). */
  async set(tx: Queries, deviceId: string, scope: InventoryScope, values: readonly Value[]): Promise<void> {
    await mergeScope(tx, deviceId, scope, values, now());
  }

  async get(deviceId: string): Promise<InventoryDevice> {
    const [device] = await this.#load([deviceId]);
    if (!device) throw notFound('device not found');
    return device;
  }

  async search(search: Search, limit: number, offset: number): Promise<{ devices: InventoryDevice[]; total: number }> {
    const { ids, total } = await searchDevices(this.#db, search, limit, offset);
    return { devices: await this.#load(ids), total };
  }

  /** Forgets what the device itself reported. */
  async clear(deviceId: string): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('devices')
        .set({ inventory_hash: null })
        .where('id', '=', deviceId)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw notFound('device not found');
      await tx.deleteFrom('attributes').where('device_id', '=', deviceId).where('scope', '=', 'inventory').execute();
    });
    this.#live.tell('inventory', { id: deviceId });
  }

  /** Names of attributes by how many devices have them, most frequent first. */
  async names(scope: Scope): Promise<{ name: string; scope: string; count: number }[]> {
    const rows = await this.#db
      .selectFrom('attributes')
      .$if(scope !== 'all', (q) => q.where(inGroups('attributes.device_id', scope === 'all' ? [] : scope)))
      .select(['name', 'scope', (e) => e.fn.count<number | string>('device_id').distinct().as('count')])
      .groupBy(['scope', 'name'])
      .orderBy('count', 'desc')
      .orderBy('scope')
      .orderBy('name')
      .limit(500)
      .execute();
    return rows.map((row) => ({ ...row, count: Number(row.count) }));
  }

  /** Devices by authentication status; all are of the standard tier. */
  async statistics(scope: Scope): Promise<Record<string, { standard: number; micro: number; system: number }>> {
    const rows = await this.#db
      .selectFrom('devices')
      .$if(scope !== 'all', (q) => q.where(inGroups('devices.id', scope === 'all' ? [] : scope)))
      .select(['status', (e) => e.fn.countAll<number | string>().as('n')])
      .groupBy('status')
      .execute();
    const count = (status: string) => ({
      standard: Number(rows.find((row) => row.status === status)?.n ?? 0),
      micro: 0,
      system: 0,
    });
    return { accepted: count('accepted'), pending: count('pending') };
  }

  async groupOf(deviceId: string): Promise<string | null> {
    if (!(await this.#known(deviceId))) throw notFound('device not found');
    const row = await this.#db
      .selectFrom('attributes')
      .select('text')
      .where('device_id', '=', deviceId)
      .where('scope', '=', 'system')
      .where('name', '=', 'group')
      .executeTakeFirst();
    return row?.text ?? null;
  }

  /** Moves devices into a group; a group exactly lasts while it has members (§2.4). */
  async join(group: string, deviceIds: readonly string[]): Promise<{ matched_count: number; updated_count: number }> {
    checkGroup(group);
    const known = await this.#db.selectFrom('devices').select('id').where('id', 'in', deviceIds).execute();
    let updated = 0;
    await this.#db.transaction().execute(async (tx) => {
      for (const { id } of known) {
        const before = await tx
          .selectFrom('attributes')
          .select('text')
          .where('device_id', '=', id)
          .where('scope', '=', 'system')
          .where('name', '=', 'group')
          .executeTakeFirst();
        if (before?.text === group) continue;
        await mergeScope(tx, id, 'system', [{ name: 'group', value: group }], now());
        updated++;
      }
    });
    for (const { id } of known) this.#live.tell('inventory', { id });
    return { matched_count: known.length, updated_count: updated };
  }

  /** Takes devices out of a group; without a list all of them. */
  async leave(group: string, deviceIds?: readonly string[]): Promise<number> {
    let query = this.#db
      .deleteFrom('attributes')
      .where('scope', '=', 'system')
      .where('name', '=', 'group')
      .where('text', '=', group);
    if (deviceIds) query = query.where('device_id', 'in', deviceIds);
    const { numDeletedRows } = await query.executeTakeFirst();
    return Number(numDeletedRows);
  }

  async groups(status: string | undefined): Promise<string[]> {
    let query = this.#db
      .selectFrom('attributes')
      .innerJoin('devices', 'devices.id', 'attributes.device_id')
      .select('attributes.text')
      .distinct()
      .where('scope', '=', 'system')
      .where('name', '=', 'group');
    if (status !== undefined) query = query.where('devices.status', '=', status);
    return (await query.orderBy('attributes.text').execute()).flatMap((row) => (row.text === null ? [] : [row.text]));
  }

  /** Ids of the accepted members of a group: whom a deployment to the group means. */
  async acceptedMembers(group: string): Promise<string[]> {
    const rows = await this.#db
      .selectFrom('attributes')
      .innerJoin('devices', 'devices.id', 'attributes.device_id')
      .select('devices.id')
      .where('scope', '=', 'system')
      .where('name', '=', 'group')
      .where('text', '=', group)
      .where('devices.status', '=', 'accepted')
      .orderBy('devices.id')
      .execute();
    return rows.map((row) => row.id);
  }

  async #known(deviceId: string): Promise<boolean> {
    return (
      (await this.#db.selectFrom('devices').select('id').where('id', '=', deviceId).executeTakeFirst()) !== undefined
    );
  }

  async #load(ids: readonly string[]): Promise<InventoryDevice[]> {
    if (ids.length === 0) return [];
    const devices = await this.#db.selectFrom('devices').select(['id', 'updated_ts']).where('id', 'in', ids).execute();
    const rows = await this.#db
      .selectFrom('attributes')
      .selectAll()
      .where('device_id', 'in', ids)
      .orderBy('device_id')
      .orderBy('scope')
      .orderBy('name')
      .orderBy('seq')
      .execute();
    const byDevice = Map.groupBy(rows, (row) => row.device_id);
    const found = new Map(
      devices.map((device) => [
        device.id,
        { id: device.id, attributes: attributesOf(byDevice.get(device.id) ?? []), updated_ts: device.updated_ts },
      ]),
    );
    return ids.flatMap((id) => found.get(id) ?? []);
  }
}

const tooMany = () => badRequest(`the number of attributes in the scope is above the limit (${attributesPerDevice})`);

export function checkGroup(group: string): void {
  if (!/^[A-Za-z0-9_-]{1,256}$/.test(group)) throw badRequest('group: 1 to 256 letters, digits, "_" and "-"');
}
