import { Type } from 'typebox';
import { Repeated, Text } from '#proto/http/conventions';
import { Software } from '#proto/http/deployments';
import { badRequest } from '../errors.ts';
import { listOf, pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import { json, type Route, route, scopeOf } from '../http/route.ts';
import type { ArtifactDeps } from './deps.ts';
import { orderOf } from './listing.ts';
import { allTags, kindOf, listReleases, type ReleaseKind, releaseKinds } from './releases.ts';

const path = '/api/management/v1alpha1/deployments/software';

/** Releases without their artifacts, by kind (`server-api.md` §2.3). */
export function softwareRoutes({ db }: ArtifactDeps): Route[] {
  return [
    route(
      {
        method: 'GET',
        path,
        access: 'releases:read',
        confined: 'handler',
        summary: 'A page of the software that there is',
        query: Type.Object({
          ...PageQuery,
          name: Type.Optional(Repeated()),
          name_prefix: Type.Optional(Text(4096)),
          kind: Type.Optional(Text(32)),
          tag: Type.Optional(Repeated()),
          update_type: Type.Optional(Text(4096)),
          sort: Type.Optional(Text(64)),
        }),
        responses: {
          200: { description: 'a page', body: Type.Array(Software) },
          400: { description: 'bad parameter' },
        },
      },
      async (context) => {
        const { req, query } = context;
        const page = pageOf(query);
        const names = listOf(query.name);
        if (names.length > 0 && query.name_prefix) throw badRequest('name and name_prefix cannot be given together');
        const filter = {
          names,
          prefix: query.name_prefix,
          kind: kindFrom(query.kind),
          tags: listOf(query.tag).map((tag) => tag.toLowerCase()),
          updateType: query.update_type,
          scope: scopeOf(context, 'releases:read'),
        };
        const order = orderOf(query.sort, ['name', 'modified', 'tags'], 'name:asc');
        const found = await listReleases(db, filter, order, page);
        const software = found.releases.map((release): Software => {
          const { name, modified, tags, notes, artifacts } = release;
          const types = new Set(artifacts.flatMap((artifact) => artifact.device_types_compatible));
          return { name, modified, tags, notes, kind: kindOf(release), compatible_types: [...types].sort() };
        });
        return json(200, software, pageHeaders(req.originalUrl, page, found));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${path}/tags`,
        access: 'releases:read',
        confined: 'handler',
        summary: 'All tags of software',
        query: Type.Object({ kind: Type.Optional(Text(32)) }),
        responses: {
          200: { description: 'sorted', body: Type.Array(Type.String()) },
          400: { description: 'no such kind' },
        },
      },
      async (context) => json(200, await allTags(db, scopeOf(context, 'releases:read'), kindFrom(context.query.kind))),
    ),
  ];
}

function kindFrom(word: string | undefined): ReleaseKind | undefined {
  if (!word) return undefined;
  const kind = releaseKinds.find((known) => known === word);
  if (!kind) throw badRequest(`kind: must be one of ${releaseKinds.join(', ')}`);
  return kind;
}
