import type { ServerHost } from '#addon/server';
import { type DeviceDeploymentStatus, finalStatuses } from '#proto/http/deployments';
import type { Register } from './devices/register.ts';
import { statusFor } from './errors.ts';
import type { Groups } from './inventory/groups.ts';
import type { Inventory } from './inventory/inventory.ts';
import { isMember } from './inventory/membership.ts';
import type { Db } from './store/store.ts';
import { codeOf } from '#base/errors';

export type Fleet = Pick<ServerHost, 'hasDevice' | 'acceptedDevices' | 'hasGroup' | 'inGroup' | 'deploymentOutcome'>;

/** What add-ons may ask of the fleet. */
export function fleetOf(parts: {
  readonly db: Db;
  readonly register: Register;
  readonly inventory: Inventory;
  readonly groups: Groups;
}): Fleet {
  const { db, register, inventory, groups } = parts;
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
