import { sql, type SqlBool } from 'kysely';
import type { ServerHost } from '#addon/server';
import { type DeviceDeploymentStatus, finalStatuses } from '#proto/http/deployments';
import type { Register } from './devices/register.ts';
import { statusFor } from './errors.ts';
import type { Rights } from './http/rights.ts';
import { mergeScopes } from './inventory/attributes.ts';
import type { Groups } from './inventory/groups.ts';
import type { Inventory } from './inventory/inventory.ts';
import { groupsOf, inGroups, isMember } from './inventory/membership.ts';
import { isOneOf } from './store/list.ts';
import { type Db, now, type Queries } from './store/store.ts';
import type { Roles } from './users/role-store.ts';
import { codeOf } from '#base/errors';

export type Fleet = Pick<
  ServerHost,
  | 'hasDevice'
  | 'acceptedDevices'
  | 'hasGroup'
  | 'inGroup'
  | 'groupsOf'
  | 'inGroups'
  | 'ofGroup'
  | 'isAccepted'
  | 'isOneOf'
  | 'setAttributes'
  | 'awayDevices'
  | 'peopleWith'
  | 'deploymentOutcome'
>;

/** What add-ons may ask of the fleet. */
export function fleetOf(parts: {
  readonly db: Db;
  readonly register: Register;
  readonly inventory: Inventory;
  readonly groups: Groups;
  readonly roles: Roles;
}): Fleet {
  const { db, register, inventory, groups, roles } = parts;
  const groupOf = async (name: string) => {
    try {
      return await groups.get(name);
    } catch (error) {
      if (statusFor(codeOf(error) ?? '') === 404) return undefined;
      throw error;
    }
  };
  return {
    hasDevice: (id) => register.has(id),
    acceptedDevices: (group) => (group === undefined ? register.accepted('all') : groups.accepted(group)),
    hasGroup: async (name) => (await groupOf(name)) !== undefined,
    async inGroup(deviceId, name) {
      if (await isMember(db, deviceId, [name])) return true;
      const terms = (await groupOf(name))?.terms;
      return terms !== undefined && (await inventory.find({ filters: terms, sort: [], ids: [deviceId] })).length > 0;
    },
    groupsOf: (id) => groupsOf(db, id),
    inGroups,
    async ofGroup(column, name) {
      const terms = (await groupOf(name))?.terms;
      return terms ? isOneOf(db, column, await inventory.find({ filters: terms, sort: [] })) : inGroups(column, [name]);
    },
    isAccepted: (column) =>
      sql<SqlBool>`exists (select 1 from devices where devices.id = ${sql.ref(column)} and devices.status = 'accepted')`,
    isOneOf: (column, values) => isOneOf(db, column, values),
    setAttributes: (transaction, values) =>
      mergeScopes(
        transaction as unknown as Queries,
        'monitor',
        new Map(
          [...values].map(([id, given]) => [id, Object.entries(given).map(([name, value]) => ({ name, value }))]),
        ),
        now(),
      ),
    async awayDevices(deviceIds) {
      const rows = await db
        .selectFrom('presence')
        .innerJoin('devices', 'devices.id', 'presence.device_id')
        .select(['device_id', 'presence.updated_ts'])
        .where('presence.status', '=', 'disconnected')
        // One that never had a socket has nothing to be missed by.
        .where('connection', 'is not', null)
        .where('devices.status', '=', 'accepted')
        .$if(deviceIds !== undefined, (q) => q.where(isOneOf(db, 'device_id', deviceIds ?? [])))
        .orderBy('presence.updated_ts')
        .execute();
      return rows.map(({ device_id, updated_ts }) => ({ deviceId: device_id, since: new Date(updated_ts) }));
    },
    async peopleWith(permission) {
      const users = await db.selectFrom('users').select(['email', 'roles']).orderBy('email').execute();
      const byRoles = new Map<string, Rights>();
      for (const { roles: names } of users)
        if (!byRoles.has(names)) byRoles.set(names, await roles.rightsOf(JSON.parse(names) as string[]));
      return users.flatMap(({ email, roles: names }) => {
        const rights = byRoles.get(names);
        return rights?.has(permission) ? [{ email, reach: rights.scope(permission) }] : [];
      });
    },
    async deploymentOutcome(deploymentId, deviceId) {
      const row = await db
        .selectFrom('device_deployments')
        .select('status')
        .where('deployment_id', '=', deploymentId)
        .where('device_id', '=', deviceId)
        .executeTakeFirst();
      if (!row) return undefined;
      if (row.status === 'success') return { state: 'success' };
      return { state: finalStatuses.has(row.status as DeviceDeploymentStatus) ? 'failure' : 'active' };
    },
  };
}
