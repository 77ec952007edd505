import type { Device, DeviceStatus } from '#proto/http/devices';
import { notFound } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { inGroups } from '../inventory/membership.ts';
import type { Queries } from '../store/store.ts';
import type { AuthSets, Devices as DeviceRow } from '../store/tables/devices.ts';

/** What is on record of devices: reading only. */
export class Register {
  readonly #db: Queries;
  constructor(db: Queries) {
    this.#db = db;
  }

  async get(deviceId: string): Promise<Device> {
    const row = await this.#db.selectFrom('devices').selectAll().where('id', '=', deviceId).executeTakeFirst();
    if (!row) throw notFound('device not found');
    const [device] = await this.#withSets([row]);
    if (!device) throw notFound('device not found');
    return device;
  }

  async has(deviceId: string): Promise<boolean> {
    const row = await this.#db.selectFrom('devices').select('id').where('id', '=', deviceId).executeTakeFirst();
    return row !== undefined;
  }

  async authSetStatus(deviceId: string, authSetId: string): Promise<string> {
    const set = await this.#db
      .selectFrom('auth_sets')
      .select('status')
      .where('id', '=', authSetId)
      .where('device_id', '=', deviceId)
      .executeTakeFirst();
    if (!set) throw notFound('authentication set not found');
    return set.status;
  }

  /** Devices in order of (status, id), and whether there are more. */
  async list(
    filter: { statuses: readonly string[]; ids: readonly string[]; scope: Scope },
    limit: number,
    offset: number,
  ): Promise<{ devices: Device[]; more: boolean }> {
    let query = this.#db.selectFrom('devices').selectAll();
    if (filter.statuses.length > 0) query = query.where('status', 'in', filter.statuses);
    if (filter.ids.length > 0) query = query.where('id', 'in', filter.ids);
    if (filter.scope !== 'all') query = query.where(inGroups('devices.id', filter.scope));
    const rows = await query
      .orderBy('status')
      .orderBy('id')
      .limit(limit + 1)
      .offset(offset)
      .execute();
    return { devices: await this.#withSets(rows.slice(0, limit)), more: rows.length > limit };
  }

  async count(status: string | undefined, scope: Scope): Promise<number> {
    let query = this.#db.selectFrom('devices');
    if (status !== undefined) query = query.where('status', '=', status);
    if (scope !== 'all') query = query.where(inGroups('devices.id', scope));
    const { n } = await query.select((e) => e.fn.countAll<number | string>().as('n')).executeTakeFirstOrThrow();
    return Number(n);
  }

  /** Ids of the accepted devices in reach: whom `all_devices` means. */
  async accepted(scope: Scope): Promise<string[]> {
    let query = this.#db.selectFrom('devices').select('id').where('status', '=', 'accepted');
    if (scope !== 'all') query = query.where(inGroups('devices.id', scope));
    const rows = await query.orderBy('id').execute();
    return rows.map((row) => row.id);
  }

  async #withSets(rows: readonly DeviceRow[]): Promise<Device[]> {
    if (rows.length === 0) return [];
    const sets = await this.#db
      .selectFrom('auth_sets')
      .selectAll()
      .where(
        'device_id',
        'in',
        rows.map((row) => row.id),
      )
      .orderBy('ts')
      .execute();
    return rows.map((row) =>
      deviceOf(
        row,
        sets.filter((set) => set.device_id === row.id),
      ),
    );
  }
}

function deviceOf(row: DeviceRow, sets: readonly AuthSets[]): Device {
  return {
    id: row.id,
    identity_data: JSON.parse(row.identity) as Record<string, unknown>,
    status: row.status as DeviceStatus,
    decommissioning: row.decommissioning === 1,
    created_ts: row.created_ts,
    updated_ts: row.updated_ts,
    auth_sets: sets.map((set) => ({
      id: set.id,
      identity_data: JSON.parse(row.identity) as Record<string, unknown>,
      pubkey: set.pubkey,
      status: set.status as DeviceStatus,
      ts: set.ts,
    })),
    ...(row.check_in_time === null ? {} : { check_in_time: row.check_in_time }),
  };
}
