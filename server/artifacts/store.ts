import { sql } from 'kysely';
import type { Artifact } from '#proto/http/deployments';
import { beginsWith, likeAnywhere } from '../store/like.ts';
import { type Db, now, type Queries } from '../store/store.ts';
import type { Artifacts } from '../store/tables/releases.ts';
import type { Scope } from '../http/rights.ts';
import { artifactOf } from './document.ts';
import { tagged } from './tagged.ts';

/** An artifact about to be stored. */
export type NewArtifact = Omit<Artifacts, 'modified'> & {
  readonly deviceTypes: readonly string[];
  /** Of its release, if that is new. */
  readonly tags?: readonly string[];
};

/**
 * Stores an artifact, makes or renews its release, and adds it to every unfinished deployment of that name
 * (`server-api.md` §3.2), and does `also` in the same step. Throws what `isDuplicate` knows if its id, or its name and depends, are taken.
 */
export function insertArtifact(
  db: Db,
  { deviceTypes, tags = [], ...artifact }: NewArtifact,
  also?: (trx: Queries) => Promise<unknown>,
): Promise<void> {
  return db.transaction().execute(async (trx) => {
    await also?.(trx);
    const modified = now();
    await trx
      .insertInto('artifacts')
      .values({ ...artifact, modified })
      .execute();
    if (deviceTypes.length > 0)
      await trx
        .insertInto('artifact_types')
        .values(deviceTypes.map((device_type) => ({ artifact_id: artifact.id, device_type })))
        .execute();
    const known = await trx.selectFrom('releases').select('name').where('name', '=', artifact.name).executeTakeFirst();
    await trx
      .insertInto('releases')
      .values({ name: artifact.name, modified, notes: '', tags: JSON.stringify([...tags].sort()) })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ modified }))
      .execute();
    if (!known && tags.length > 0)
      await trx
        .insertInto('release_tags')
        .values(tags.map((tag) => ({ tag, release_name: artifact.name })))
        .execute();
    const waiting = await trx
      .selectFrom('deployments')
      .select(['id', 'artifacts'])
      .where('artifact_name', '=', artifact.name)
      .where(sql<boolean>`active = 1`)
      .execute();
    for (const { id, artifacts } of waiting)
      await trx
        .updateTable('deployments')
        .set({ artifacts: JSON.stringify([...(JSON.parse(artifacts) as string[]), artifact.id]) })
        .where('id', '=', id)
        .execute();
  });
}

/** The artifact that has this name and these depends already. */
export async function findConflict(db: Queries, name: string, dependsKey: string): Promise<Artifact | undefined> {
  const row = await db
    .selectFrom('artifacts')
    .selectAll()
    .where('name', '=', name)
    .where('depends_key', '=', dependsKey)
    .executeTakeFirst();
  return row && artifactOf(row);
}

export async function findArtifact(db: Queries, id: string): Promise<Artifact | undefined> {
  const row = await db.selectFrom('artifacts').selectAll().where('id', '=', id).executeTakeFirst();
  return row && artifactOf(row);
}

export async function findArtifacts(db: Queries, ids: readonly string[]): Promise<Map<string, Artifact>> {
  const found = new Map<string, Artifact>();
  // In portions: a statement takes a limited number of parameters.
  for (let at = 0; at < ids.length; at += 500) {
    const rows = await db
      .selectFrom('artifacts')
      .selectAll()
      .where('id', 'in', ids.slice(at, at + 500))
      .execute();
    for (const row of rows) found.set(row.id, artifactOf(row));
  }
  return found;
}

/** All artifacts of some releases, by name and id. */
export async function artifactsOfReleases(db: Queries, names: readonly string[]): Promise<Artifact[]> {
  if (names.length === 0) return [];
  const rows = await db
    .selectFrom('artifacts')
    .selectAll()
    .where('name', 'in', names)
    .orderBy('name')
    .orderBy('modified')
    .orderBy('id')
    .execute();
  return rows.map(artifactOf);
}

export interface ArtifactFilter {
  /** Only those of releases in reach. */
  readonly scope: Scope;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly deviceType?: string | undefined;
}

/** Artifacts whose name, description and one device type contain the given texts, whatever the case (§2.2). */
export async function listArtifacts(
  db: Queries,
  filter: ArtifactFilter,
  order: { readonly by: 'name' | 'modified'; readonly desc: boolean },
  page?: { readonly perPage: number; readonly offset: number },
): Promise<{ artifacts: Artifact[]; total: number }> {
  let query = db.selectFrom('artifacts');
  if (filter.scope !== 'all') query = query.where(tagged('artifacts.name', filter.scope));
  if (filter.name) query = query.where(likeAnywhere('artifacts.name', filter.name));
  if (filter.description) query = query.where(likeAnywhere('artifacts.description', filter.description));
  const { deviceType } = filter;
  if (deviceType)
    query = query.where((e) =>
      e.exists(
        e
          .selectFrom('artifact_types')
          .select('device_type')
          .whereRef('artifact_id', '=', 'artifacts.id')
          .where(likeAnywhere('device_type', deviceType)),
      ),
    );
  let rows = query
    .selectAll()
    .orderBy(order.by, order.desc ? 'desc' : 'asc')
    .orderBy('id');
  if (page) rows = rows.limit(page.perPage).offset(page.offset);
  const artifacts = (await rows.execute()).map(artifactOf);
  if (!page) return { artifacts, total: artifacts.length };
  const { total } = await query.select((e) => e.fn.countAll().as('total')).executeTakeFirstOrThrow();
  return { artifacts, total: Number(total) };
}

/** Words that a value must be one of, or what it must begin with. */
export interface Match {
  readonly exact: readonly string[];
  readonly prefix?: string;
}

/** A page of artifacts by whole words (`server-api.md` §2.3), by name; one more than asked for tells that there are more. */
export async function matchArtifacts(
  db: Queries,
  {
    name,
    description,
    deviceType,
    scope,
  }: { name: Match; description: string | undefined; deviceType: Match; scope: Scope },
  { perPage, offset }: { readonly perPage: number; readonly offset: number },
): Promise<{ artifacts: Artifact[]; more: boolean }> {
  let query = db.selectFrom('artifacts');
  if (scope !== 'all') query = query.where(tagged('artifacts.name', scope));
  if (name.exact.length > 0) query = query.where('name', 'in', name.exact);
  if (name.prefix) query = query.where(beginsWith('artifacts.name', name.prefix));
  if (description) query = query.where(likeAnywhere('artifacts.description', description));
  const { exact, prefix } = deviceType;
  if (exact.length > 0 || prefix)
    query = query.where('id', 'in', (e) => {
      const types = e.selectFrom('artifact_types').select('artifact_id');
      return prefix ? types.where(beginsWith('device_type', prefix)) : types.where('device_type', 'in', exact);
    });
  const rows = await query
    .selectAll()
    .orderBy('name')
    .orderBy('id')
    .limit(perPage + 1)
    .offset(offset)
    .execute();
  return { artifacts: rows.slice(0, perPage).map(artifactOf), more: rows.length > perPage };
}

/** What a deployment makes of an artifact: `active` while one is under way with it. */
export async function usageOf(db: Queries, artifact: Artifact): Promise<'active' | 'used' | 'unused'> {
  const deployments = await db
    .selectFrom('deployments')
    .select(['active', 'artifacts'])
    .where('artifact_name', '=', artifact.name)
    .execute();
  const using = deployments.filter(({ artifacts }) => (JSON.parse(artifacts) as string[]).includes(artifact.id));
  return using.some(({ active }) => active === 1) ? 'active' : using.length > 0 ? 'used' : 'unused';
}

/** Removes an artifact's row, and its release with the last one. */
export async function removeArtifact(trx: Queries, artifact: { readonly id: string; readonly name: string }) {
  await trx.deleteFrom('artifacts').where('id', '=', artifact.id).execute();
  const left = await trx.selectFrom('artifacts').select('id').where('name', '=', artifact.name).executeTakeFirst();
  if (left) await trx.updateTable('releases').set({ modified: now() }).where('name', '=', artifact.name).execute();
  else await trx.deleteFrom('releases').where('name', '=', artifact.name).execute();
}

export async function describeArtifact(db: Queries, id: string, description: string): Promise<void> {
  await db.updateTable('artifacts').set({ description, modified: now() }).where('id', '=', id).execute();
}

/** Bytes of the stored artifacts in reach. */
export async function bytesWithin(db: Queries, scope: Scope): Promise<number> {
  const { bytes } = await db
    .selectFrom('artifacts')
    .where(tagged('artifacts.name', scope))
    .select((e) => e.fn.sum('size').as('bytes'))
    .executeTakeFirstOrThrow();
  return Number(bytes ?? 0);
}

/** Bytes of all stored artifacts, and of uploads that wait to be completed. */
export async function storageUsage(db: Queries): Promise<number> {
  const sums = await Promise.all(
    (['artifacts', 'direct_uploads'] as const).map((table) =>
      db
        .selectFrom(table)
        .select((e) => e.fn.sum('size').as('bytes'))
        .executeTakeFirstOrThrow(),
    ),
  );
  return sums.reduce((all, { bytes }) => all + Number(bytes ?? 0), 0);
}
