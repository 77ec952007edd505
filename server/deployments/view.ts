import type { Artifact, Deployment, DeploymentDevice, DeviceDeploymentStatus } from '#proto/http/deployments';
import type { SavedFilter } from '#proto/http/groups';
import { findArtifacts } from '../artifacts/store.ts';
import { reachesRelease } from '../artifacts/tagged.ts';
import type { Scope } from '../http/rights.ts';
import type { Queries } from '../store/store.ts';
import type { Deployments, DeviceDeployments } from '../store/tables/deployments.ts';
import { partsWithin } from './confined.ts';
import { countersOf } from './lifecycle.ts';
import { countersOfDeployments } from './store.ts';

/** Deployments as the API shows them to somebody: with the numbers of the devices in his reach. */
export async function deploymentsOf(db: Queries, rows: readonly Deployments[], scope: Scope): Promise<Deployment[]> {
  const ids = rows.map(({ id }) => id);
  const parts = scope === 'all' ? undefined : await partsWithin(db, ids, scope);
  const counters = parts ? undefined : await countersOfDeployments(db, ids);
  return rows.map((row) => {
    const part = parts?.get(row.id);
    const groups = (JSON.parse(row.groups) as string[]).filter((group) => scope === 'all' || scope.includes(group));
    return {
      id: row.id,
      name: row.name,
      artifact_name: row.artifact_name,
      created: row.created,
      ...(row.finished === null ? {} : { finished: row.finished }),
      status: row.status as Deployment['status'],
      type: row.type as Deployment['type'],
      device_count: parts ? (part?.asked ?? 0) : row.device_count,
      max_devices: parts ? (part?.targets ?? 0) : row.max_devices,
      artifacts: JSON.parse(row.artifacts) as string[],
      ...(groups.length > 0 ? { groups } : {}),
      ...(row.filter === null ? {} : { filter: JSON.parse(row.filter) as SavedFilter }),
      ...(row.force_installation === 1 ? { force_installation: true } : {}),
      ...(row.configuration === null ? {} : { configuration: hidden(row.configuration, row.secret_settings) }),
      statistics: {
        status: part?.counters ?? counters?.get(row.id) ?? countersOf([]),
        total_size: parts ? (part?.size ?? 0) : Number(row.total_size),
      },
    };
  });
}

/** A configuration may hold secrets: of each value only the beginning is shown (`server-api.md` §2.2), of one that is known to be secret nothing. Base64. */
function hidden(configuration: string, secret: string | null): string {
  const values = Object.entries(JSON.parse(configuration) as Record<string, string>);
  const secrets = new Set(secret === null ? [] : (JSON.parse(secret) as string[]));
  const shown = values.map(([key, value]) => [key, `${secrets.has(key) ? '' : value.slice(0, 3)}...<omitted>`]);
  return Buffer.from(JSON.stringify(Object.fromEntries(shown))).toString('base64');
}

/** Devices' parts as the API shows them, each with the artifact that it was given if that is in reach (of `releases`). */
export async function deviceEntriesOf(
  db: Queries,
  rows: readonly DeviceDeployments[],
  releases: Scope,
): Promise<DeploymentDevice[]> {
  const ids = new Set(rows.flatMap(({ artifact_id }) => (artifact_id === null ? [] : [artifact_id])));
  const artifacts = await findArtifacts(db, [...ids]);
  for (const [id, { name }] of artifacts) if (!(await reachesRelease(db, name, releases))) artifacts.delete(id);
  return rows.map((row) => entryOf(row, row.artifact_id === null ? undefined : artifacts.get(row.artifact_id)));
}

function entryOf(row: DeviceDeployments, image: Artifact | undefined): DeploymentDevice {
  return {
    id: row.device_id,
    status: row.status as DeviceDeploymentStatus,
    created: row.created,
    ...(row.started === null ? {} : { started: row.started }),
    ...(row.finished === null ? {} : { finished: row.finished }),
    ...(row.deleted === null ? {} : { deleted: row.deleted }),
    log: row.log === 1,
    ...(row.substate === null ? {} : { substate: row.substate }),
    ...(image ? { image } : {}),
  };
}
