import { sql } from 'kysely';
import type { Artifact, Release } from '#proto/http/deployments';
import { beginsWith, likeAnywhere } from '../store/like.ts';
import type { Queries } from '../store/store.ts';
import type { Releases } from '../store/tables/releases.ts';
import type { Order } from './listing.ts';
import type { Scope } from '../http/rights.ts';
import { artifactsOfReleases } from './store.ts';
import { tagged } from './tagged.ts';

export interface ReleaseFilter {
  /** Part of the name, whatever the case. */
  readonly name?: string | undefined;
  /** Part of an artifact's description. */
  readonly description?: string | undefined;
  readonly deviceType?: string | undefined;
  readonly updateType?: string | undefined;
  /** Any of these, lower case. */
  readonly tags?: readonly string[];
  /** Exactly one of these; none: any. */
  readonly names?: readonly string[];
  /** What the name begins with. */
  readonly prefix?: string | undefined;
  readonly kind?: ReleaseKind | undefined;
  /** Only those in reach. */
  readonly scope: Scope;
}

/** What a release is for: a device's software, or the manifest of a system of several (`artifact-format.md` §10). */
export const releaseKinds = ['release', 'manifest'] as const;
export type ReleaseKind = (typeof releaseKinds)[number];
const manifestType = 'mender-orchestrator-manifest';

/** The kind of a release, by the payloads of its artifacts. */
export const kindOf = ({ artifacts }: Pick<Release, 'artifacts'>): ReleaseKind =>
  artifacts.some(({ updates }) => updates.some(({ type_info }) => type_info.type === manifestType))
    ? 'manifest'
    : 'release';

export type ReleaseOrder = Order<'name' | 'modified' | 'artifacts_count' | 'tags' | 'notes'>;

/** Releases with their artifacts, in order; a page of them, or all. */
export async function listReleases(
  db: Queries,
  filter: ReleaseFilter,
  { by, desc }: ReleaseOrder,
  page?: { readonly perPage: number; readonly offset: number },
): Promise<{ releases: Release[]; total: number }> {
  let query = db.selectFrom('releases');
  if (filter.scope !== 'all') query = query.where(tagged('releases.name', filter.scope));
  if (filter.name) query = query.where(likeAnywhere('releases.name', filter.name));
  const { description, deviceType, updateType, tags = [], names = [], prefix, kind } = filter;
  if (names.length > 0) query = query.where('name', 'in', names);
  if (prefix) query = query.where(beginsWith('releases.name', prefix));
  if (kind)
    query = query.where((e) => {
      const manifests = e.selectFrom('artifacts').select('artifacts.name').where('update_type', '=', manifestType);
      return kind === 'manifest' ? e('releases.name', 'in', manifests) : e('releases.name', 'not in', manifests);
    });
  if (description || deviceType || updateType)
    query = query.where((e) => {
      let artifacts = e.selectFrom('artifacts').select('artifacts.id').whereRef('artifacts.name', '=', 'releases.name');
      if (description) artifacts = artifacts.where(likeAnywhere('artifacts.description', description));
      if (updateType) artifacts = artifacts.where('update_type', '=', updateType);
      if (deviceType)
        artifacts = artifacts
          .innerJoin('artifact_types', 'artifact_types.artifact_id', 'artifacts.id')
          .where('device_type', '=', deviceType);
      return e.exists(artifacts);
    });
  if (tags.length > 0)
    query = query.where('name', 'in', (e) =>
      e.selectFrom('release_tags').select('release_name').where('tag', 'in', tags),
    );
  const direction = desc ? 'desc' : 'asc';
  const count = sql<number>`(select count(*) from artifacts where artifacts.name = releases.name)`;
  let rows = query.selectAll();
  rows = by === 'artifacts_count' ? rows.orderBy(count, direction) : rows.orderBy(by, direction);
  if (by !== 'name') rows = rows.orderBy('name');
  if (page) rows = rows.limit(page.perPage).offset(page.offset);
  const releases = await withArtifacts(db, await rows.execute());
  if (!page) return { releases, total: releases.length };
  const { total } = await query.select((e) => e.fn.countAll().as('total')).executeTakeFirstOrThrow();
  return { releases, total: Number(total) };
}

export async function findRelease(db: Queries, name: string): Promise<Release | undefined> {
  const row = await db.selectFrom('releases').selectAll().where('name', '=', name).executeTakeFirst();
  return row && (await withArtifacts(db, [row]))[0];
}

async function withArtifacts(db: Queries, rows: readonly Releases[]): Promise<Release[]> {
  const artifacts = new Map<string, Artifact[]>(rows.map(({ name }) => [name, []]));
  for (let at = 0; at < rows.length; at += 500) {
    const names = rows.slice(at, at + 500).map(({ name }) => name);
    for (const artifact of await artifactsOfReleases(db, names)) artifacts.get(artifact.name)?.push(artifact);
  }
  return rows.map(({ name, modified, notes, tags }) => {
    const own = artifacts.get(name) ?? [];
    return { name, modified, artifacts: own, artifacts_count: own.length, tags: JSON.parse(tags) as string[], notes };
  });
}

/** All tags that any release in reach (of a kind) has. */
export async function allTags(db: Queries, scope: Scope, kind?: ReleaseKind): Promise<string[]> {
  let query = db.selectFrom('release_tags').select('tag').distinct().where(tagged('release_tags.release_name', scope));
  if (kind)
    query = query.where((e) => {
      const manifests = e.selectFrom('artifacts').select('artifacts.name').where('update_type', '=', manifestType);
      return kind === 'manifest' ? e('release_name', 'in', manifests) : e('release_name', 'not in', manifests);
    });
  const rows = await query.orderBy('tag').execute();
  return rows.map(({ tag }) => tag);
}

/** All update types of stored artifacts. */
export async function allUpdateTypes(db: Queries, scope: Scope): Promise<string[]> {
  const rows = await db
    .selectFrom('artifacts')
    .select('update_type')
    .distinct()
    .where('update_type', 'is not', null)
    .where(tagged('artifacts.name', scope))
    .orderBy('update_type')
    .execute();
  return rows.flatMap(({ update_type }) => (update_type === null ? [] : [update_type]));
}

/** Replaces the tags of a release. They are lower case, sorted, each once. */
export async function setTags(trx: Queries, name: string, tags: readonly string[]): Promise<void> {
  await trx
    .updateTable('releases')
    .set({ tags: JSON.stringify(tags) })
    .where('name', '=', name)
    .execute();
  await trx.deleteFrom('release_tags').where('release_name', '=', name).execute();
  if (tags.length > 0)
    await trx
      .insertInto('release_tags')
      .values(tags.map((tag) => ({ tag, release_name: name })))
      .execute();
}

export async function setNotes(db: Queries, name: string, notes: string): Promise<void> {
  await db.updateTable('releases').set({ notes }).where('name', '=', name).execute();
}
