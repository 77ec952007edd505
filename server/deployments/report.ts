import type { DeploymentStatus } from '#proto/http/deployments';
import { badRequest, conflict, notFound } from '../errors.ts';
import type { Db } from '../store/store.ts';
import { isFinal, reportable } from './lifecycle.ts';
import { changeDevice, count, findDevice, lockDeployment, locking, recompute, withStatus } from './store.ts';

export interface Report {
  readonly status: string;
  readonly substate?: string | undefined;
}

/** What a report has changed. */
export interface Reported {
  readonly deployment: DeploymentStatus;
  /** The device had finished, and has begun again. */
  readonly again: boolean;
}

/**
 * Takes a device's status report (`server-api.md` §1.3). Undefined: it has changed nothing. 409 tells a device that it was aborted: it stops and rolls back.
 */
export async function takeReport(
  db: Db,
  deploymentId: string,
  deviceId: string,
  { status, substate }: Report,
): Promise<Reported | undefined> {
  if (!reportable.has(status))
    throw badRequest(`status: a device may not report ${JSON.stringify(status.slice(0, 64))}`);
  return locking(db).execute(async (trx) => {
    const deployment = await lockDeployment(trx, deploymentId);
    const row = deployment && (await findDevice(trx, deploymentId, deviceId));
    if (!deployment || !row || row.asked === null) throw notFound('the device is not in that deployment');
    if (row.status === 'aborted') throw conflict('Deployment aborted');
    if (row.status === 'decommissioned') throw conflict('Device decommissioned');
    if (row.status === status) return undefined;
    await changeDevice(trx, row, { ...withStatus(row, status), ...(substate === undefined ? {} : { substate }) });
    await count(trx, deploymentId, row.status, status);
    return { deployment: await recompute(trx, deployment), again: isFinal(row.status) && !isFinal(status) };
  });
}

/** Stores a device's log, in place of an earlier one (§1.4), and gives the status of its deployment. */
export async function takeLog(
  db: Db,
  deploymentId: string,
  deviceId: string,
  messages: unknown[],
): Promise<DeploymentStatus> {
  return db.transaction().execute(async (trx) => {
    const row = await findDevice(trx, deploymentId, deviceId);
    if (!row || row.asked === null) throw notFound('Deployment not found');
    const text = JSON.stringify(messages);
    await trx
      .insertInto('deployment_logs')
      .values({ deployment_id: deploymentId, device_id: deviceId, messages: text })
      .onConflict((conflict) => conflict.columns(['deployment_id', 'device_id']).doUpdateSet({ messages: text }))
      .execute();
    if (row.log === 0) await changeDevice(trx, row, { log: 1 });
    const deployment = trx.selectFrom('deployments').select('status').where('id', '=', deploymentId);
    return (await deployment.executeTakeFirstOrThrow()).status as DeploymentStatus;
  });
}
