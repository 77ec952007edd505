import { sql } from 'kysely';
import { findArtifacts } from '../artifacts/store.ts';
import { conflict } from '../errors.ts';
import { type Db, now, type Queries } from '../store/store.ts';
import type { DeviceDeployments, Deployments } from '../store/tables/deployments.ts';
import type { Artifact, DeploymentStatus } from '#proto/http/deployments';
import { type Asker, choose } from './choose.ts';
import { activeOf, changeDevice, count, findDevice, lockDeployment, locking, recompute, withStatus } from './store.ts';

export interface Instructions {
  readonly deployment: Deployments;
  /** Undefined: a configuration, whose artifact is made when it is downloaded. */
  readonly artifact?: Artifact;
}

/** What came of a poll that found something. `deployment` is to be told to those who watch. */
interface Step {
  readonly outcome: Instructions | 'nothing' | 'conflict' | 'gone';
  readonly deployment?: { readonly id: string; readonly status: DeploymentStatus };
}

/**
 * The hot path of the server: most polls find nothing. One read of the partial index of active rows, by a statement that
 * is compiled once, and without an order, which SQLite would set up a sorter for.
 */
export function idleQuery(db: Db): (deviceId: string) => Promise<boolean> {
  const query = anyActive(db).compile();
  return async (deviceId) => {
    const { rows } = await db.executeQuery({ ...query, parameters: [deviceId] });
    return rows.length === 0;
  };
}

/** Its one parameter is the device. */
export const anyActive = (db: Db) =>
  db
    .selectFrom('device_deployments')
    .select('deployment_id')
    .where('device_id', '=', '')
    .where(sql<boolean>`active = 1`)
    .limit(sql.lit(1));

/** The deployment that a device is served next. */
export async function nextFor(db: Db, deviceId: string): Promise<string | undefined> {
  const row = await activeOf(db, deviceId).select('deployment_id').limit(1).executeTakeFirst();
  return row?.deployment_id;
}

/**
 * Works out what a device does in the deployment that its poll has found (`server-api.md` §3.3, steps 3 to 7). Undefined:
 * nothing, it has been marked so. Throws 409 if the device asks otherwise than it did at first.
 */
export async function takeUp(
  db: Db,
  deploymentId: string,
  deviceId: string,
  asker: Asker,
  tell: (deployment: { id: string; status: DeploymentStatus }) => void,
): Promise<Instructions | undefined> {
  const { outcome, deployment } = await locking(db).execute(async (trx): Promise<Step> => {
    const deployment = await lockDeployment(trx, deploymentId);
    const row = deployment && (await findDevice(trx, deploymentId, deviceId));
    // Aborted between the poll and this.
    if (!deployment || !row || row.active === 0) return { outcome: 'gone' };
    return step(trx, deployment, row, asker);
  });
  if (deployment) tell(deployment);
  if (outcome === 'conflict') throw conflict('Device provided conflicting request data');
  return typeof outcome === 'string' ? undefined : outcome;
}

async function step(trx: Queries, deployment: Deployments, row: DeviceDeployments, asker: Asker): Promise<Step> {
  const request = requestOf(asker);
  const first = row.asked === null;
  if (!first && row.request !== request) {
    const substate = 'the device asked again with other data than before';
    return { outcome: 'conflict', deployment: await end(trx, deployment, row, 'failure', { substate }) };
  }
  const asked: Partial<DeviceDeployments> = first ? { asked: now(), request } : {};
  if (first)
    await trx
      .updateTable('deployments')
      .set((e) => ({ device_count: e('device_count', '+', 1) }))
      .where('id', '=', deployment.id)
      .execute();
  if (deployment.type === 'configuration') {
    if (!first) return { outcome: { deployment } };
    await changeDevice(trx, row, asked);
    return {
      outcome: { deployment },
      deployment: { id: deployment.id, status: deployment.status as DeploymentStatus },
    };
  }
  const { artifact, ended } = await artifactFor(trx, deployment, row, asker);
  if (!artifact)
    return {
      outcome: 'nothing',
      deployment: await end(trx, deployment, row, ended.status, { ...asked, ...ended.more }),
    };
  const change = { ...asked, ...(row.artifact_id === artifact.id ? {} : { artifact_id: artifact.id }) };
  const outcome = { deployment, artifact };
  if (Object.keys(change).length === 0) return { outcome };
  await changeDevice(trx, row, change);
  if (row.artifact_id !== artifact.id)
    await trx
      .updateTable('deployments')
      .set((e) => ({ total_size: e('total_size', '+', artifact.size) }))
      .where('id', '=', deployment.id)
      .execute();
  return { outcome, deployment: { id: deployment.id, status: deployment.status as DeploymentStatus } };
}

type Assigned =
  | { readonly artifact: Artifact; readonly ended?: undefined }
  | {
      readonly artifact?: undefined;
      readonly ended: {
        readonly status: 'noartifact' | 'already-installed';
        readonly more: Partial<DeviceDeployments>;
      };
    };

/** The artifact that the device has been given before, or gets now; else how its part ends. */
async function artifactFor(
  trx: Queries,
  deployment: Deployments,
  row: DeviceDeployments,
  asker: Asker,
): Promise<Assigned> {
  const found = await findArtifacts(trx, JSON.parse(deployment.artifacts) as string[]);
  const given = row.artifact_id === null ? undefined : found.get(row.artifact_id);
  // Once it is on its way it may report the new name already, and is to finish all the same.
  const force = deployment.force_installation === 1 || row.status !== 'pending';
  if (given && (force || given.name !== asker.artifactName)) return { artifact: given };
  const choice = choose(given ? [given] : [...found.values()], asker, force);
  if ('artifact' in choice) return { artifact: choice.artifact };
  return 'installed' in choice
    ? { ended: { status: 'already-installed', more: {} } }
    : { ended: { status: 'noartifact', more: { substate: choice.reason } } };
}

/** Brings a device's part to a final status. */
async function end(
  trx: Queries,
  deployment: Deployments,
  row: DeviceDeployments,
  status: string,
  more: Partial<DeviceDeployments>,
): Promise<{ id: string; status: DeploymentStatus }> {
  await changeDevice(trx, row, { ...withStatus(row, status), ...more });
  await count(trx, deployment.id, row.status, status);
  return { id: deployment.id, status: await recompute(trx, deployment) };
}

/** What a device must say again in the same words, whatever their order. */
function requestOf({ artifactName, deviceType, provides }: Asker): string {
  const sorted = provides && Object.entries(provides).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify({ artifactName, deviceType, provides: sorted ?? null });
}
