import { sql } from 'kysely';
import { type Counters, type DeploymentStatus, deviceDeploymentStatuses } from '#proto/http/deployments';
import type { Scope } from '../http/rights.ts';
import { inGroups } from '../inventory/membership.ts';
import { type Db, now, type Queries } from '../store/store.ts';
import type { Deployments, DeviceDeployments } from '../store/tables/deployments.ts';
import { countersOf, deploymentStatusOf, isFinal } from './lifecycle.ts';

/**
 * A transaction that begins with `lockDeployment`. PostgreSQL then has the others wait in line for the lock, where it would
 * have all but one of a thousand devices that report at once begin again.
 */
export const locking = (db: Db) => db.transaction().setIsolationLevel('read committed');

/**
 * Reads a deployment to change it: until the transaction ends nobody else can, on either database. Every change of a
 * device's part begins with this, so its counters always add up.
 */
export async function lockDeployment(trx: Queries, id: string): Promise<Deployments | undefined> {
  await trx
    .updateTable('deployments')
    .set((e) => ({ active: e.ref('active') }))
    .where('id', '=', id)
    .execute();
  return trx.selectFrom('deployments').selectAll().where('id', '=', id).executeTakeFirst();
}

export function findDevice(
  db: Queries,
  deploymentId: string,
  deviceId: string,
): Promise<DeviceDeployments | undefined> {
  return db
    .selectFrom('device_deployments')
    .selectAll()
    .where('deployment_id', '=', deploymentId)
    .where('device_id', '=', deviceId)
    .executeTakeFirst();
}

export async function changeDevice(
  trx: Queries,
  row: Pick<DeviceDeployments, 'deployment_id' | 'device_id'>,
  change: Partial<DeviceDeployments>,
): Promise<void> {
  await trx
    .updateTable('device_deployments')
    .set(change)
    .where('deployment_id', '=', row.deployment_id)
    .where('device_id', '=', row.device_id)
    .execute();
}

/** What a device's part becomes with a new status: its times, and whether it still has something to do. */
export function withStatus(row: DeviceDeployments, status: string): Partial<DeviceDeployments> {
  const time = now();
  return {
    status,
    active: isFinal(status) ? 0 : 1,
    ...(row.started === null && status !== 'pending' ? { started: time } : {}),
    ...(isFinal(status) ? { finished: time } : {}),
  };
}

/** Moves one device from counter to counter. */
export async function count(trx: Queries, deploymentId: string, from: string, to: string): Promise<void> {
  if (from === to) return;
  await add(trx, deploymentId, from, -1);
  await add(trx, deploymentId, to, 1);
}

async function add(trx: Queries, deploymentId: string, status: string, by: number): Promise<void> {
  await trx
    .updateTable('deployment_counters')
    .set((e) => ({ count: e('count', '+', by) }))
    .where('deployment_id', '=', deploymentId)
    .where('status', '=', status)
    .execute();
}

/** The counters of a new deployment: everybody is pending. */
export async function insertCounters(trx: Queries, deploymentId: string, pending: number): Promise<void> {
  await trx
    .insertInto('deployment_counters')
    .values(
      deviceDeploymentStatuses.map((status) => ({
        deployment_id: deploymentId,
        status,
        count: status === 'pending' ? pending : 0,
      })),
    )
    .execute();
}

export async function countersOfDeployments(db: Queries, ids: readonly string[]): Promise<Map<string, Counters>> {
  const rows: { deployment_id: string; status: string; count: number }[] = [];
  for (let at = 0; at < ids.length; at += 500)
    rows.push(
      ...(await db
        .selectFrom('deployment_counters')
        .selectAll()
        .where('deployment_id', 'in', ids.slice(at, at + 500))
        .execute()),
    );
  const found = Map.groupBy(rows, ({ deployment_id }) => deployment_id);
  return new Map([...found].map(([id, counters]) => [id, countersOf(counters)]));
}

/** Recomputes a deployment's status after its counters changed (§3.4). What is finished stays so, and its time too. */
export async function recompute(trx: Queries, deployment: Deployments): Promise<DeploymentStatus> {
  if (deployment.finished !== null) return 'finished';
  const counters = (await countersOfDeployments(trx, [deployment.id])).get(deployment.id);
  const status = deploymentStatusOf(counters ?? countersOf([]), deployment.max_devices);
  if (status === deployment.status) return status;
  await trx
    .updateTable('deployments')
    .set({ status, ...(status === 'finished' ? { active: 0, finished: now() } : {}) })
    .where('id', '=', deployment.id)
    .execute();
  return status;
}

/** Active rows of a device: of the partial index, in the order in which they are served. */
export const activeOf = (db: Queries, deviceId: string) =>
  db
    .selectFrom('device_deployments')
    .where('device_id', '=', deviceId)
    .where(sql<boolean>`active = 1`)
    .orderBy(sql`asked is null`)
    .orderBy('created')
    .orderBy('deployment_id');

/** Devices that have asked, by status and id; a page of them, or all. */
export async function listDevices(
  db: Queries,
  deploymentId: string,
  { statuses, scope }: { readonly statuses: readonly string[] | undefined; readonly scope: Scope },
  page?: { readonly perPage: number; readonly offset: number },
): Promise<{ rows: DeviceDeployments[]; total: number }> {
  let query = db
    .selectFrom('device_deployments')
    .where('deployment_id', '=', deploymentId)
    .where('asked', 'is not', null);
  if (scope !== 'all') query = query.where(inGroups('device_deployments.device_id', scope));
  if (statuses) query = query.where('status', 'in', statuses);
  let list = query.selectAll().orderBy('status').orderBy('device_id');
  if (page) list = list.limit(page.perPage).offset(page.offset);
  const rows = await list.execute();
  if (!page) return { rows, total: rows.length };
  const { total } = await query.select((e) => e.fn.countAll().as('total')).executeTakeFirstOrThrow();
  return { rows, total: Number(total) };
}

/** The frozen list of a deployment, as far as it is in reach. */
export async function targetsOf(db: Queries, deploymentId: string, scope: Scope): Promise<string[]> {
  let query = db.selectFrom('device_deployments').select('device_id').where('deployment_id', '=', deploymentId);
  if (scope !== 'all') query = query.where(inGroups('device_deployments.device_id', scope));
  const rows = await query.orderBy('device_id').execute();
  return rows.map(({ device_id }) => device_id);
}

export async function findLog(db: Queries, deploymentId: string, deviceId: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('deployment_logs')
    .select('messages')
    .where('deployment_id', '=', deploymentId)
    .where('device_id', '=', deviceId)
    .executeTakeFirst();
  return row?.messages;
}
