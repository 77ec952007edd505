import { sql, type Expression, type SqlBool } from 'kysely';
import type { Scope } from '../http/rights.ts';
import type { Counters } from '#proto/http/deployments';
import { inGroups } from '../inventory/membership.ts';
import type { Queries } from '../store/store.ts';
import { countersOf } from './lifecycle.ts';
import { countersOfDeployments } from './store.ts';

/** True where a row of a device's part is of a device that a right with this scope reaches. */
export const ofReach = (scope: Scope): Expression<SqlBool> =>
  scope === 'all' ? sql<SqlBool>`1 = 1` : inGroups('device_deployments.device_id', scope);

/** Deployments with at least one device of the scope: those that whoever is confined to it may see, as far as his devices go. */
export const deploymentsWithin = (db: Queries, scope: Scope) =>
  db.selectFrom('device_deployments').select('device_deployments.deployment_id').where(ofReach(scope));

/** Whether any device of a deployment is in reach. */
export async function reachesDeployment(db: Queries, id: string, scope: Scope): Promise<boolean> {
  if (scope === 'all') return true;
  const row = await deploymentsWithin(db, scope).where('deployment_id', '=', id).limit(1).executeTakeFirst();
  return row !== undefined;
}

/** Whether all devices that still have something to do in it are: only then may it be ended for all of them. */
export async function reachesWholeDeployment(db: Queries, id: string, scope: Scope): Promise<boolean> {
  if (scope === 'all') return true;
  const outside = await db
    .selectFrom('device_deployments')
    .select('device_id')
    .where('deployment_id', '=', id)
    .where('active', '=', 1)
    .where(sql<SqlBool>`not (${inGroups('device_deployments.device_id', scope)})`)
    .limit(1)
    .executeTakeFirst();
  return outside === undefined;
}

/** Groups that any device of a deployment is in. */
export async function groupsOfDeployment(db: Queries, id: string): Promise<string[]> {
  const rows = await db
    .selectFrom('device_deployments')
    .innerJoin('attributes', 'attributes.device_id', 'device_deployments.device_id')
    .select('attributes.text')
    .distinct()
    .where('device_deployments.deployment_id', '=', id)
    .where('attributes.scope', '=', 'system')
    .where('attributes.name', '=', 'group')
    .execute();
  return rows.flatMap(({ text }) => (text === null ? [] : [text]));
}

/** Of a deployment, as far as the devices in reach go. */
export interface Part {
  readonly counters: Counters;
  /** Devices that it was made for, and those of them that have asked. */
  readonly targets: number;
  readonly asked: number;
  /** Bytes of the artifacts that they were given. */
  readonly size: number;
}

/** The numbers of deployments counted anew over the devices in reach: totals would tell of the others (CVE-2025-49603). */
export async function partsWithin(db: Queries, ids: readonly string[], scope: Scope): Promise<Map<string, Part>> {
  if (ids.length === 0) return new Map();
  const rows = await db
    .selectFrom('device_deployments')
    .leftJoin('artifacts', 'artifacts.id', 'device_deployments.artifact_id')
    .select((e) => [
      'deployment_id',
      'status',
      'active',
      sql<number>`case when asked is null then 0 else 1 end`.as('asked'),
      e.fn.countAll<number | string>().as('n'),
      e.fn.sum<number | string | null>('artifacts.size').as('size'),
    ])
    .where('deployment_id', 'in', ids)
    .where(ofReach(scope))
    .groupBy(['deployment_id', 'status', 'active', sql`case when asked is null then 0 else 1 end`])
    .execute();
  return new Map(
    [...Map.groupBy(rows, (row) => row.deployment_id)].map(([id, group]): [string, Part] => {
      const sum = (of: (row: (typeof rows)[number]) => number) => group.reduce((total, row) => total + of(row), 0);
      // Whoever had not asked when it was aborted has left the counters (`server-api.md` §3.5).
      const counted = group.filter((row) => row.asked === 1 || row.active === 1);
      const byStatus = Map.groupBy(counted, (row) => row.status);
      const counters = [...byStatus].map(([status, same]) => ({
        deployment_id: id,
        status,
        count: same.reduce((total, row) => total + Number(row.n), 0),
      }));
      return [
        id,
        {
          counters: countersOf(counters),
          targets: sum((row) => Number(row.n)),
          asked: sum((row) => (row.asked === 1 ? Number(row.n) : 0)),
          size: sum((row) => Number(row.size ?? 0)),
        },
      ];
    }),
  );
}

/** Counters of those deployments that are in reach, over the devices in reach. */
export async function countersFor(db: Queries, ids: readonly string[], scope: Scope): Promise<Map<string, Counters>> {
  if (scope === 'all') return countersOfDeployments(db, ids);
  return new Map([...(await partsWithin(db, ids, scope))].map(([id, { counters }]) => [id, counters]));
}
