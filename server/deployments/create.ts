import { createHash, randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { SavedFilter } from '#proto/http/groups';
import { badRequest, conflict, unprocessable } from '../errors.ts';
import { groupsOf } from '../inventory/membership.ts';
import { type Db, isDuplicate, now, type Queries } from '../store/store.ts';
import type { Deployments } from '../store/tables/deployments.ts';
import { insertCounters } from './store.ts';

/** What a deployment is made of; its devices are settled by then and never change (`server-api.md` §3.1). */
export interface Plan {
  readonly name: string;
  readonly artifactName: string;
  readonly devices: readonly string[];
  readonly groups: readonly string[];
  /** The saved filter that found them. */
  readonly filter?: SavedFilter;
  readonly force: boolean;
  /** What was asked for, in words of its own: two active deployments may not share it. */
  readonly asked: unknown;
}

/** Rows inserted by one statement: their values stay under SQLite's limit of parameters. */
const portion = 1000;

/**
 * Makes a deployment with a row for each device, all or nothing. Throws 400 without devices, 422 without an artifact, 409
 * if an active deployment is the same. Returns its id.
 */
export async function createDeployment(db: Db, plan: Plan): Promise<string> {
  const devices = [...new Set(plan.devices)];
  if (devices.length === 0) throw badRequest('no devices: none of the accepted devices is meant by this deployment');
  const id = randomUUID();
  const hash = createHash('sha256').update(JSON.stringify(plan.asked)).digest('hex');
  try {
    await db.transaction().execute(async (trx) => {
      const artifacts = await trx
        .selectFrom('artifacts')
        .select('id')
        .where('name', '=', plan.artifactName)
        .orderBy('id')
        .execute();
      if (artifacts.length === 0) throw unprocessable('No artifact for the deployment');
      await insertDeployment(trx, devices, {
        id,
        name: plan.name,
        artifact_name: plan.artifactName,
        artifacts: JSON.stringify(artifacts.map((artifact) => artifact.id)),
        type: 'software',
        force_installation: plan.force ? 1 : 0,
        groups: JSON.stringify(plan.groups.length > 0 ? plan.groups : await groupsOfOnly(trx, devices)),
        filter: plan.filter ? JSON.stringify(plan.filter) : null,
        configuration: null,
        secret_settings: null,
        constructor_hash: hash,
      });
    });
  } catch (error) {
    if (!isDuplicate(error)) throw error;
    const same = await db
      .selectFrom('deployments')
      .select('id')
      .where('constructor_hash', '=', hash)
      .where(sql<boolean>`active = 1`)
      .executeTakeFirst();
    throw conflict(`an identical deployment is active: ${same?.id ?? 'finished just now'}`);
  }
  return id;
}

/** A deployment to one device is shown under that device's groups (`server-api.md` §3.1). */
const groupsOfOnly = async (trx: Queries, [device = '', ...others]: readonly string[]): Promise<string[]> =>
  others.length > 0 ? [] : groupsOf(trx, device);

type NewRow = Pick<
  Deployments,
  | 'id'
  | 'name'
  | 'artifact_name'
  | 'artifacts'
  | 'type'
  | 'force_installation'
  | 'groups'
  | 'filter'
  | 'configuration'
  | 'secret_settings'
  | 'constructor_hash'
>;

/** A deployment that begins now, with its counters and a row for each device. */
export async function insertDeployment(trx: Queries, devices: readonly string[], row: NewRow): Promise<void> {
  const created = await nextTime(trx);
  const begun = { status: 'pending', active: 1, created, finished: null, device_count: 0, total_size: 0 };
  await trx
    .insertInto('deployments')
    .values({ ...row, ...begun, max_devices: devices.length })
    .execute();
  await insertCounters(trx, row.id, devices.length);
  await insertTargets(trx, row.id, created, devices);
}

/** Now, and later than every other deployment's: they are served in this order (`server-api.md` §3.3). */
async function nextTime(trx: Queries): Promise<string> {
  const { last } = await trx
    .selectFrom('deployments')
    .select((e) => e.fn.max('created').as('last'))
    .executeTakeFirstOrThrow();
  const time = now();
  return last === null || last < time ? time : new Date(Date.parse(last) + 1).toISOString();
}

async function insertTargets(
  trx: Queries,
  deployment_id: string,
  created: string,
  devices: readonly string[],
): Promise<void> {
  const target = { deployment_id, status: 'pending', active: 1, created, log: 0 };
  for (let at = 0; at < devices.length; at += portion)
    await trx
      .insertInto('device_deployments')
      .values(devices.slice(at, at + portion).map((device_id) => ({ ...target, device_id })))
      .execute();
}
