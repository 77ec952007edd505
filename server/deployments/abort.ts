import type { DeploymentStatus } from '#proto/http/deployments';
import { unprocessable } from '../errors.ts';
import type { Live } from '../live/live.ts';
import { type Db, now, type Queries } from '../store/store.ts';
import { activeOf, changeDevice, count, findDevice, lockDeployment, locking, recompute, withStatus } from './store.ts';

/**
 * Aborts a deployment (`server-api.md` §3.5): whoever is at it learns by 409 at his next report, whoever has not asked
 * yet leaves the counters. 422 if it is finished or unknown.
 */
export function abortDeployment(db: Db, id: string): Promise<void> {
  return locking(db).execute(async (trx) => {
    const deployment = await lockDeployment(trx, id);
    if (!deployment || deployment.finished !== null)
      throw unprocessable('the deployment is finished already, or unknown');
    const time = now();
    const rows = trx.updateTable('device_deployments').where('deployment_id', '=', id).where('active', '=', 1);
    await rows.set({ status: 'aborted', active: 0, finished: time }).execute();
    await recount(trx, id);
    await trx
      .updateTable('deployments')
      .set({ status: 'finished', active: 0, finished: time })
      .where('id', '=', id)
      .execute();
  });
}

/** Counters anew from the devices that have asked. */
async function recount(trx: Queries, id: string): Promise<void> {
  const rows = await trx
    .selectFrom('device_deployments')
    .select((e) => ['status', e.fn.countAll().as('count')])
    .where('deployment_id', '=', id)
    .where('asked', 'is not', null)
    .groupBy('status')
    .execute();
  await trx.updateTable('deployment_counters').set({ count: 0 }).where('deployment_id', '=', id).execute();
  for (const { status, count } of rows)
    await trx
      .updateTable('deployment_counters')
      .set({ count: Number(count) })
      .where('deployment_id', '=', id)
      .where('status', '=', status)
      .execute();
}

interface Ended {
  readonly id: string;
  readonly status: DeploymentStatus;
}

/** Ends all that a device has still to do, in every deployment. */
async function endForDevice(db: Db, deviceId: string, status: 'aborted' | 'decommissioned'): Promise<Ended[]> {
  const ended: Ended[] = [];
  const rows = await activeOf(db, deviceId).select('deployment_id').execute();
  // One transaction a deployment: each holds the lock of one only, so two of these cannot wait for each other.
  for (const { deployment_id } of rows) {
    const end = await locking(db).execute(async (trx): Promise<Ended | undefined> => {
      const deployment = await lockDeployment(trx, deployment_id);
      const row = await findDevice(trx, deployment_id, deviceId);
      if (!deployment || !row || row.active === 0) return undefined;
      // One that never asked becomes a record too: it says why nothing happened.
      await changeDevice(trx, row, { ...withStatus(row, status), asked: row.asked ?? now() });
      if (row.asked === null)
        await trx
          .updateTable('deployments')
          .set((e) => ({ device_count: e('device_count', '+', 1) }))
          .where('id', '=', deployment_id)
          .execute();
      await count(trx, deployment_id, row.status, status);
      return { id: deployment_id, status: await recompute(trx, deployment) };
    });
    if (end) ended.push(end);
  }
  return ended;
}

interface Deps {
  readonly db: Db;
  readonly live: Live;
}

/** Aborts everything that a device is at or has been asked to do (`server-api.md` §2.2). */
export async function abortForDevice({ db, live }: Deps, deviceId: string): Promise<void> {
  const ended = await endForDevice(db, deviceId, 'aborted');
  for (const { id, status } of ended) live.tell('deployment', { id, status, device: deviceId });
}

/** A device is gone for good: its parts end as `decommissioned` (§3.6). */
export async function decommissionDevice({ db, live }: Deps, deviceId: string): Promise<void> {
  const ended = await endForDevice(db, deviceId, 'decommissioned');
  for (const { id, status } of ended) live.tell('deployment', { id, status, device: deviceId });
}
