import { type TSchema, Type } from 'typebox';
import { Repeated, Text } from '#proto/http/conventions';
import { deploymentsV1, deploymentsV2, Release, ReleaseChange, ReleaseTags, ReleaseV1 } from '#proto/http/deployments';
import { badRequest, conflict, forbidden, notFound } from '../errors.ts';
import { listOf, pageHeaders, PageQuery } from '../http/paging.ts';
import { type Context, empty, json, type Route, route, scopeOf } from '../http/route.ts';
import type { Scope } from '../http/rights.ts';
import type { ArtifactDeps } from './deps.ts';
import { orderOf, pageOrDefault } from './listing.ts';
import { reachesRelease, tagsOf as tagsOfRelease } from './tagged.ts';
import { activeDeploymentsOf, removeReleases } from './removal.ts';
import { allTags, allUpdateTypes, findRelease, listReleases, setNotes, setTags } from './releases.ts';

/** Different tags of all releases together (`server-api.md` §5). */
const tagsLimit = 100;
const v1 = `${deploymentsV1}/deployments/releases`;
const v2 = `${deploymentsV2}/deployments/releases`;

export function releaseRoutes(deps: ArtifactDeps): Route[] {
  return [...v1Routes(deps), ...v2Routes(deps), ...releaseChanges(deps), ...wordRoutes(deps)];
}

const v1Shape = ({ name, modified, artifacts, artifacts_count, tags, notes }: Release): ReleaseV1 => ({
  Name: name,
  Modified: modified,
  Artifacts: artifacts,
  ArtifactsCount: artifacts_count,
  tags,
  notes,
});

function v1Routes({ db }: ArtifactDeps): Route[] {
  const filter = {
    name: Type.Optional(Text(4096)),
    description: Type.Optional(Text(4096)),
    device_type: Type.Optional(Text(4096)),
    update_type: Type.Optional(Text(4096)),
    tag: Type.Optional(Repeated()),
  };
  const filterOf = (query: {
    name?: string;
    description?: string;
    device_type?: string;
    update_type?: string;
    tag?: string | string[];
  }) => ({
    name: query.name,
    description: query.description,
    deviceType: query.device_type,
    updateType: query.update_type,
    tags: tagsOf(query.tag),
  });
  const scope = (context: Pick<Context, 'caller'>) => scopeOf(context, 'releases:read');
  return [
    route(
      {
        method: 'GET',
        path: v1,
        access: 'releases:read',
        confined: 'handler',
        summary: 'All releases (deprecated: use the releases of v2)',
        query: Type.Object(filter),
        responses: { 200: { description: 'the releases', body: Type.Array(ReleaseV1) } },
      },
      async (context) => {
        const filter = { ...filterOf(context.query), scope: scope(context) };
        const { releases } = await listReleases(db, filter, { by: 'name', desc: false });
        return json(200, releases.map(v1Shape));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${v1}/list`,
        access: 'releases:read',
        confined: 'handler',
        summary: 'A page of the releases (deprecated: use the releases of v2)',
        query: Type.Object({ ...filter, ...PageQuery, sort: Type.Optional(Text(64)) }),
        responses: { 200: { description: 'a page', body: Type.Array(ReleaseV1) }, 400: { description: 'bad sort' } },
      },
      async (context) => {
        const { req, query } = context;
        const page = pageOrDefault(query);
        const order = orderOf(query.sort, ['name', 'modified', 'artifacts_count', 'tags'], 'name:asc');
        const found = await listReleases(db, { ...filterOf(query), scope: scope(context) }, order, page);
        return json(200, found.releases.map(v1Shape), pageHeaders(req.originalUrl, page, found));
      },
    ),
  ];
}

const tagsOf = (tag: string | string[] | undefined): string[] => listOf(tag).map((one) => one.toLowerCase());

function v2Routes({ db, blobs, live }: ArtifactDeps): Route[] {
  return [
    route(
      {
        method: 'GET',
        path: v2,
        access: 'releases:read',
        confined: 'handler',
        summary: 'A page of the releases',
        query: Type.Object({
          ...PageQuery,
          name: Type.Optional(Text(4096)),
          tag: Type.Optional(Repeated()),
          update_type: Type.Optional(Text(4096)),
          sort: Type.Optional(Text(64)),
        }),
        responses: { 200: { description: 'a page', body: Type.Array(Release) }, 400: { description: 'bad sort' } },
      },
      async (context) => {
        const { req, query } = context;
        const page = pageOrDefault(query);
        const words = ['name', 'modified', 'tags', 'notes', 'artifacts', 'artifacts_count'] as const;
        const { by, desc } = orderOf(query.sort, words, 'name:asc');
        const filter = {
          name: query.name,
          tags: tagsOf(query.tag),
          updateType: query.update_type,
          scope: scopeOf(context, 'releases:read'),
        };
        const found = await listReleases(db, filter, { by: by === 'artifacts' ? 'artifacts_count' : by, desc }, page);
        return json(200, found.releases, pageHeaders(req.originalUrl, page, found));
      },
    ),
    route(
      {
        method: 'DELETE',
        path: v2,
        access: 'releases:manage',
        confined: 'handler',
        summary: 'Remove releases with all their artifacts',
        query: Type.Object({ name: Repeated() }),
        audit: 'release_delete',
        responses: {
          204: { description: 'removed' },
          400: { description: 'no name' },
          409: { description: 'one of them is used in an active deployment' },
        },
      },
      async (context) => {
        const { query, note } = context;
        const names = [...new Set(listOf(query.name))].filter((name) => name !== '');
        if (names.length === 0) throw badRequest('name: at least one release must be given');
        note({ object: { type: 'release', id: names[0] ?? '' }, ...(names.length > 1 ? { details: { names } } : {}) });
        for (const name of names)
          if (!(await reachesRelease(db, name, scopeOf(context, 'releases:manage'))))
            throw notFound(`no release ${name.slice(0, 256)}`);
        const tags = new Map<string, readonly string[]>();
        for (const name of names) tags.set(name, await tagsOfRelease(db, name));
        const removed = await db.transaction().execute(async (trx) => {
          const active = await activeDeploymentsOf(trx, names);
          if (active.length > 0) throw conflict('release(s) used in active deployment', { active_deployments: active });
          return removeReleases(trx, names);
        });
        for (const id of removed) await blobs.remove(id);
        for (const name of names) live.tellOf(tags.get(name) ?? [], 'release', { name });
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${v2}/{name}`,
        access: 'releases:read',
        confined: 'release',
        summary: 'A release',
        responses: { 200: { description: 'the release', body: Release }, 404: { description: 'no such release' } },
      },
      async ({ params: { name = '' } }) => json(200, await release(db, name)),
    ),
  ];
}

async function release(db: ArtifactDeps['db'], name: string): Promise<Release> {
  const found = await findRelease(db, name);
  if (!found) throw notFound(`no release ${name.slice(0, 256)}`);
  return found;
}

function releaseChanges({ db, live }: ArtifactDeps): Route[] {
  const missing = { 400: { description: 'bad body' }, 404: { description: 'no such release' } };
  return [
    route(
      {
        method: 'PATCH',
        path: `${v2}/{name}`,
        access: 'releases:manage',
        confined: 'release',
        summary: 'Write the notes of a release',
        body: ReleaseChange,
        audit: 'release_update',
        responses: { 204: { description: 'done' }, ...missing },
      },
      async ({ params: { name = '' }, body, note }) => {
        const { notes: before } = await release(db, name);
        const notes = body.notes ?? before;
        note({ object: { type: 'release', id: name }, details: { before: { notes: before }, after: { notes } } });
        // Line breaks are what notes are written with; other control characters are not.
        if (/[^\P{C}\n\r\t]/u.test(notes)) throw badRequest('notes: must be printable');
        await setNotes(db, name, notes);
        live.tell('release', { name });
        return empty();
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${v2}/{name}/tags`,
        access: 'releases:manage',
        confined: 'release',
        summary: 'Replace the tags of a release',
        body: ReleaseTags,
        audit: 'release_tag',
        responses: { 204: { description: 'done' }, ...missing, 409: { description: `more than ${tagsLimit} tags` } },
      },
      async (context) => {
        const { body, note } = context;
        const { name = '' } = context.params;
        const { tags: before } = await release(db, name);
        const tags = [...new Set(body.map((tag) => tag.toLowerCase()))].sort();
        note({ object: { type: 'release', id: name }, before: { tags: before }, after: { tags } });
        checkOwnTags(scopeOf(context, 'releases:manage'), before, tags);
        await db.transaction().execute(async (trx) => {
          await setTags(trx, name, tags);
          if ((await allTags(trx, 'all')).length > tagsLimit)
            throw conflict(`the releases have more than ${tagsLimit} different tags`);
        });
        live.tellOf([...new Set([...before, ...tags])], 'release', { name });
        return empty();
      },
    ),
  ];
}

function wordRoutes({ db }: ArtifactDeps): Route[] {
  const words = (path: string, summary: string, body: TSchema, read: (scope: Scope) => Promise<string[]>): Route =>
    route(
      {
        method: 'GET',
        path: `${deploymentsV2}/releases/all/${path}`,
        access: 'releases:read',
        confined: 'handler',
        summary,
        responses: { 200: { description: 'sorted', body } },
      },
      async (context) => json(200, await read(scopeOf(context, 'releases:read'))),
    );
  return [
    words('tags', 'All tags of releases', Type.Array(Type.String()), (scope) => allTags(db, scope)),
    words('types', 'All update types of artifacts', Type.Array(Type.String()), (scope) => allUpdateTypes(db, scope)),
  ];
}

/** Tags say who reaches a release: whoever is confined to some gives and takes those and no others. */
function checkOwnTags(scope: Scope, before: readonly string[], after: readonly string[]): void {
  if (scope === 'all') return;
  const changed = [...before.filter((tag) => !after.includes(tag)), ...after.filter((tag) => !before.includes(tag))];
  const foreign = changed.find((tag) => !scope.includes(tag));
  if (foreign !== undefined) throw forbidden(`your roles do not let you give or take the tag "${foreign}"`);
}
