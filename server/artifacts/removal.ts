import { sql } from 'kysely';
import type { Blobs } from '../blobs/blobs.ts';
import type { Db, Queries } from '../store/store.ts';

/** Ids of active deployments of these releases. */
export async function activeDeploymentsOf(db: Queries, names: readonly string[]): Promise<string[]> {
  const rows = await db
    .selectFrom('deployments')
    .select('id')
    .where('artifact_name', 'in', names)
    .where(sql<boolean>`active = 1`)
    .orderBy('created')
    .execute();
  return rows.map(({ id }) => id);
}

/** Removes the rows of releases and all their artifacts; the ids of those, whose blobs are to go next. */
export async function removeReleases(trx: Queries, names: readonly string[]): Promise<string[]> {
  const artifacts = await trx.selectFrom('artifacts').select('id').where('name', 'in', names).execute();
  await trx.deleteFrom('artifacts').where('name', 'in', names).execute();
  await trx.deleteFrom('releases').where('name', 'in', names).execute();
  return artifacts.map(({ id }) => id);
}

/**
 * Removes blobs that neither an artifact nor a direct upload owns: a crash between the two leaves them. To be run at start, before uploads come in.
 * Returns how many there were.
 */
export async function removeOrphans(db: Db, blobs: Blobs): Promise<number> {
  const rows = [
    ...(await db.selectFrom('artifacts').select('id').execute()),
    ...(await db.selectFrom('direct_uploads').select('id').where('artifact', 'is not', null).execute()),
  ];
  const owned = new Set(rows.map(({ id }) => id));
  const orphans = (await blobs.list()).filter((id) => !owned.has(id));
  for (const id of orphans) await blobs.remove(id);
  return orphans.length;
}
