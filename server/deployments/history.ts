import { sql } from 'kysely';
import { type Db, now, type Queries } from '../store/store.ts';
import type { Deployments, DeviceDeployments } from '../store/tables/deployments.ts';
import { changeDevice, count, findDevice, lockDeployment, locking, recompute } from './store.ts';

/** A page of what a device has been part of, newest first, without what was taken out of its history. */
export async function listHistory(
  db: Queries,
  deviceId: string,
  statuses: readonly string[] | undefined,
  page: { readonly perPage: number; readonly offset: number },
): Promise<{ parts: DeviceDeployments[]; deployments: Deployments[]; total: number }> {
  let query = db
    .selectFrom('device_deployments')
    .where('device_id', '=', deviceId)
    .where('asked', 'is not', null)
    .where('deleted', 'is', null);
  if (statuses) query = query.where('status', 'in', statuses);
  const parts = await query
    .selectAll()
    .orderBy('created', 'desc')
    .orderBy('deployment_id', 'desc')
    .limit(page.perPage)
    .offset(page.offset)
    .execute();
  const { total } = await query.select((e) => e.fn.countAll().as('total')).executeTakeFirstOrThrow();
  const ids = parts.map(({ deployment_id }) => deployment_id);
  const deployments = ids.length ? await db.selectFrom('deployments').selectAll().where('id', 'in', ids).execute() : [];
  return { parts, deployments, total: Number(total) };
}

/**
 * Forgets what a device has finished (`server-api.md` §2.2). In deployments that are still active it becomes eligible
 * again: its part begins anew.
 */
export async function clearHistory(db: Db, deviceId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('device_deployments')
    .innerJoin('deployments', 'deployments.id', 'device_deployments.deployment_id')
    .select('deployment_id')
    .where('device_id', '=', deviceId)
    .where('device_deployments.active', '=', 0)
    .where(sql<boolean>`deployments.active = 1`)
    .execute();
  for (const { deployment_id } of rows)
    await locking(db).execute(async (trx) => {
      const deployment = await lockDeployment(trx, deployment_id);
      const row = await findDevice(trx, deployment_id, deviceId);
      if (!deployment || deployment.active === 0 || !row || row.active === 1) return;
      await changeDevice(trx, row, { ...anew, status: 'pending', active: 1, log: 0 });
      await trx
        .updateTable('deployments')
        .set((e) => ({ device_count: e('device_count', '-', 1) }))
        .where('id', '=', deployment_id)
        .execute();
      await count(trx, deployment_id, row.status, 'pending');
      await recompute(trx, deployment);
    });
  await db
    .updateTable('device_deployments')
    .set({ deleted: now() })
    .where('device_id', '=', deviceId)
    .where('active', '=', 0)
    .where('deleted', 'is', null)
    .execute();
  return rows.map(({ deployment_id }) => deployment_id);
}

const anew = {
  asked: null,
  started: null,
  finished: null,
  deleted: null,
  substate: null,
  artifact_id: null,
  request: null,
};
