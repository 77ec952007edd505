import type { FilterTerm, InventoryDevice, InventoryScope } from '#proto/http/devices';
import { badRequest, notFound, unprocessable } from '../errors.ts';
import { fingerprint } from '../devices/devices.ts';
import type { Live } from '../live/live.ts';
import { isOneOf } from '../store/list.ts';
import { now, type Db, type Queries } from '../store/store.ts';
import type { Scope } from '../http/rights.ts';
import type { Attributes } from '../store/tables/devices.ts';
import { attributesOf, mergeScope, replaceScope, type Value } from './attributes.ts';
import { groupsOf, inGroups, setGroups } from './membership.ts';
import { countDevices, findDevices, searchDevices, type Search } from './search.ts';

const attributesPerDevice = 100;
const groupsPerDevice = 50;
const rewriteEveryMs = 24 * 3600_000;
/** Devices whose attributes are counted (`server-api.md` §2.5). */
const sample = 5000;

/** How many devices there were, and how many changed. */
export interface Changed {
  readonly matched_count: number;
  readonly updated_count: number;
}

/** What is known of devices, by scope (`server-api.md` §3.7). */
export class Inventory {
  readonly #db: Db;
  readonly #live: Live;
  readonly #moved: (deviceIds: readonly string[]) => Promise<void>;
  /** `moved`: these devices are in other groups now, and whatever right stood on that is another. */
  constructor(db: Db, live: Live, moved: (deviceIds: readonly string[]) => Promise<void> = async () => {}) {
    this.#db = db;
    this.#live = live;
    this.#moved = moved;
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

  /** Ids of all devices that a search finds. */
  find(search: Search): Promise<string[]> {
    return findDevices(this.#db, search);
  }

  count(search: Search, db: Queries = this.#db): Promise<number> {
    return countDevices(db, search);
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

  /** Names of attributes by how many devices of a sample of those in reach have them, most frequent first. */
  async names(scope: Scope): Promise<{ name: string; scope: string; count: number }[]> {
    const rows = await this.#db
      .selectFrom('attributes')
      .select(['name', 'scope', (e) => e.fn.count<number | string>('device_id').distinct().as('count')])
      .where('device_id', 'in', (e) => {
        const devices = e.selectFrom('devices').select('id').orderBy('id').limit(sample);
        return scope === 'all' ? devices : devices.where(inGroups('devices.id', scope));
      })
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

  /** The groups of a device, the one that the reference's routes know first. 404 for an unknown device. */
  async groupsOf(deviceId: string): Promise<string[]> {
    if (!(await this.#known(deviceId))) throw notFound('device not found');
    return groupsOf(this.#db, deviceId);
  }

  /**
   * Moves devices into a group, out of the one that the reference's routes show (§2.4): it becomes their first, and
   * others that they are in stay. A group of theirs exactly lasts while it has members.
   */
  move(group: string, deviceIds: readonly string[]): Promise<Changed> {
    return this.#regroup(group, deviceIds, ([_, ...others]) => [group, ...others.filter((name) => name !== group)]);
  }

  /** Adds devices to a group and leaves them in all others. */
  add(group: string, deviceIds: readonly string[]): Promise<Changed> {
    return this.#regroup(group, deviceIds, (groups) => (groups.includes(group) ? groups : [...groups, group]));
  }

  /** Takes devices out of a group; without a list all of them. How many there were. */
  async leave(group: string, deviceIds?: readonly string[]): Promise<number> {
    let members = this.#db
      .selectFrom('devices')
      .select('id')
      .where(inGroups('devices.id', [group]));
    if (deviceIds) members = members.where(isOneOf(this.#db, 'devices.id', deviceIds));
    const ids = (await members.orderBy('id').execute()).map(({ id }) => id);
    return (await this.#regroup(group, ids, (groups) => groups.filter((name) => name !== group))).updated_count;
  }

  async #regroup(
    group: string,
    deviceIds: readonly string[],
    change: (groups: readonly string[]) => readonly string[],
  ): Promise<Changed> {
    checkGroup(group);
    const ts = now();
    const { known, changed } = await this.#db.transaction().execute(async (tx) => {
      const dynamic = tx.selectFrom('groups').select('name').where('name', '=', group).where('kind', '=', 'dynamic');
      if (await dynamic.executeTakeFirst())
        throw unprocessable(`${group} is a dynamic group: it finds its devices by itself`);
      const known = await tx
        .selectFrom('devices')
        .select('id')
        .where(isOneOf(tx, 'devices.id', deviceIds))
        .execute();
      const changed = new Map<string, readonly string[]>();
      for (const { id } of known) {
        const before = await groupsOf(tx, id);
        const after = change(before);
        if (after.length > groupsPerDevice)
          throw unprocessable(`a device is in at most ${groupsPerDevice} groups: ${id} would be in one more`);
        if (JSON.stringify(before) === JSON.stringify(after)) continue;
        await setGroups(tx, id, after, ts);
        changed.set(id, [...new Set([...before, ...after])]);
      }
      return { known, changed };
    });
    // Who watches the group that it has left is told too.
    for (const [id, groups] of changed) this.#live.tellOf(groups, 'inventory', { id });
    if (changed.size > 0) await this.#moved([...changed.keys()]);
    return { matched_count: known.length, updated_count: changed.size };
  }

  /** Names of the groups that have members, of this authentication status. */
  async groups(status: string | undefined, scope: Scope): Promise<string[]> {
    let query = this.#db
      .selectFrom('attributes')
      .select('attributes.text')
      .distinct()
      .where('scope', '=', 'system')
      .where('name', '=', 'group')
      .where('text', 'is not', null);
    if (scope !== 'all') query = query.where(isOneOf(this.#db, 'attributes.text', scope));
    if (status !== undefined)
      query = query.where('device_id', 'in', (e) => e.selectFrom('devices').select('id').where('status', '=', status));
    return (await query.orderBy('attributes.text').execute()).flatMap((row) => (row.text === null ? [] : [row.text]));
  }

  /** Ids of the accepted members of a group: whom a deployment to the group means. */
  async acceptedMembers(group: string): Promise<string[]> {
    return this.accepted([{ scope: 'system', attribute: 'group', type: '$eq', value: group }]);
  }

  /** Ids of the accepted devices that all terms mean. */
  async accepted(terms: readonly FilterTerm[]): Promise<string[]> {
    const accepted: FilterTerm = { scope: 'identity', attribute: 'status', type: '$eq', value: 'accepted' };
    return findDevices(this.#db, { filters: [...terms, accepted], sort: [] });
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
        {
          id: device.id,
          attributes: attributesOf(byDevice.get(device.id) ?? []),
          updated_ts: device.updated_ts,
          ...groupsOfRows(byDevice.get(device.id) ?? []),
        },
      ]),
    );
    return ids.flatMap((id) => found.get(id) ?? []);
  }
}

/** Ours: all groups of a device that is in one. Old clients read over it. */
function groupsOfRows(rows: readonly Attributes[]): { groups?: string[] } {
  const groups = rows.flatMap(({ scope, name, text }) =>
    scope === 'system' && name === 'group' && text ? [text] : [],
  );
  return groups.length > 0 ? { groups } : {};
}

const tooMany = () => badRequest(`the number of attributes in the scope is above the limit (${attributesPerDevice})`);

export function checkGroup(group: string): void {
  if (!/^[A-Za-z0-9_-]{1,256}$/.test(group)) throw badRequest('group: 1 to 256 letters, digits, "_" and "-"');
}
