import { Type } from 'typebox';
import { Repeated, Text } from '#proto/http/conventions';
import { Artifact, ArtifactChange, deploymentsV1, deploymentsV2, DownloadLink } from '#proto/http/deployments';
import { badRequest, conflict, notFound, unprocessable } from '../errors.ts';
import { listOf, pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import { type Context, empty, json, type Route, route, scopeOf } from '../http/route.ts';
import type { ArtifactDeps } from './deps.ts';
import { directRoutes } from './direct.ts';
import { checkUuid, downloadRoute } from './download.ts';
import { generateArtifact } from './generate.ts';
import { artifactDownloadPath, linkLife, signLink } from './link.ts';
import { matchOf, orderOf, pageOrDefault } from './listing.ts';
import { releaseRoutes } from './release-routes.ts';
import {
  describeArtifact,
  findArtifact,
  listArtifacts,
  matchArtifacts,
  removeArtifact,
  usageOf,
  bytesWithin,
} from './store.ts';
import { softwareRoutes } from './software-routes.ts';
import { tagsOf } from './tagged.ts';
import { uploadArtifact, type Uploader } from './upload.ts';

const artifacts = `${deploymentsV1}/artifacts`;
const filter = {
  name: Type.Optional(Text(4096)),
  description: Type.Optional(Text(4096)),
  device_type: Type.Optional(Text(4096)),
};

/** Artifacts and releases of the management API (`server-api.md` §2.2, §2.3), and their download. */
export function artifactRoutes(deps: ArtifactDeps): Route[] {
  return [
    ...listRoutes(deps),
    ...storeRoutes(deps),
    ...objectRoutes(deps),
    ...releaseRoutes(deps),
    ...softwareRoutes(deps),
    downloadRoute(deps),
  ];
}

function listRoutes({ db }: ArtifactDeps): Route[] {
  return [
    route(
      {
        method: 'GET',
        path: artifacts,
        access: 'releases:read',
        confined: 'handler',
        summary: 'All artifacts (deprecated: use artifacts/list)',
        query: Type.Object(filter),
        responses: { 200: { description: 'the artifacts', body: Type.Array(Artifact) } },
      },
      async (context) => {
        const { name, description, device_type: deviceType } = context.query;
        const scope = scopeOf(context, 'releases:read');
        const found = await listArtifacts(db, { name, description, deviceType, scope }, { by: 'name', desc: false });
        return json(200, found.artifacts);
      },
    ),
    route(
      {
        method: 'GET',
        path: `${artifacts}/list`,
        access: 'releases:read',
        confined: 'handler',
        summary: 'A page of the artifacts',
        query: Type.Object({ ...filter, ...PageQuery, sort: Type.Optional(Text(64)) }),
        responses: { 200: { description: 'a page', body: Type.Array(Artifact) }, 400: { description: 'bad sort' } },
      },
      async (context) => {
        const { req, query } = context;
        const page = pageOrDefault(query);
        const order = orderOf(query.sort, ['name', 'modified'], 'name:asc');
        const { name, description, device_type: deviceType } = query;
        const scope = scopeOf(context, 'releases:read');
        const found = await listArtifacts(db, { name, description, deviceType, scope }, order, page);
        return json(200, found.artifacts, pageHeaders(req.originalUrl, page, found));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${deploymentsV2}/artifacts`,
        access: 'releases:read',
        confined: 'handler',
        summary: 'A page of the artifacts with these names, or a name that begins so (`x*`)',
        query: Type.Object({
          ...PageQuery,
          name: Type.Optional(Repeated(1000)),
          description: Type.Optional(Text(4096)),
          device_type: Type.Optional(Text(4096)),
        }),
        responses: {
          200: { description: 'a page', body: Type.Array(Artifact) },
          400: { description: 'bad parameter' },
        },
      },
      async (context) => {
        const { req, query } = context;
        const page = pageOf(query);
        const name = matchOf('name', listOf(query.name), 100);
        const deviceType = matchOf('device_type', query.device_type ? [query.device_type] : [], 1);
        const scope = scopeOf(context, 'releases:read');
        const found = await matchArtifacts(db, { name, description: query.description, deviceType, scope }, page);
        return json(200, found.artifacts, pageHeaders(req.originalUrl, page, found));
      },
    ),
  ];
}

function storeRoutes(deps: ArtifactDeps): Route[] {
  return [
    route(
      {
        method: 'POST',
        path: artifacts,
        access: 'releases:manage',
        confined: 'handler',
        summary: 'Upload an artifact: a multipart form whose last field, artifact, is the file',
        streams: true,
        audit: 'artifact_upload',
        responses: {
          201: { description: 'stored; Location names it' },
          400: { description: 'not a form, or not a good artifact' },
          409: { description: 'an artifact with the same name and depends is there' },
          413: { description: 'larger than the limit' },
          415: { description: 'not a multipart form' },
          503: { description: 'no room left' },
        },
      },
      async (context) => {
        const { req, note } = context;
        const { id, name, size } = await uploadArtifact(deps, req, uploaderOf(context));
        note({ object: { type: 'artifact', id, name }, details: { size } });
        return empty(201, { Location: `${artifacts}/${id}` });
      },
    ),
    route(
      {
        method: 'POST',
        path: `${artifacts}/generate`,
        access: 'releases:manage',
        confined: 'handler',
        summary: 'Make an artifact that installs one file: a multipart form whose last field, file, is it',
        streams: true,
        audit: 'artifact_generate',
        responses: {
          201: { description: 'stored; Location names it' },
          400: { description: 'not a form, or a field that cannot be' },
          413: { description: 'larger than 256 MiB' },
          415: { description: 'not a multipart form' },
          422: { description: 'such an artifact is there' },
        },
      },
      async (context) => {
        const { req, note } = context;
        const { id, name, size } = await generateArtifact(deps, req, uploaderOf(context));
        note({ object: { type: 'artifact', id, name }, details: { size } });
        return empty(201, { Location: `${artifacts}/${id}` });
      },
    ),
    ...directRoutes(deps, artifacts),
    route(
      {
        method: 'GET',
        path: `${deploymentsV1}/limits/{name}`,
        access: 'releases:read',
        confined: 'handler',
        summary: 'How much room there is for artifacts; limit 0: no limit',
        responses: {
          200: {
            description: 'bytes',
            body: Type.Object({ limit: Type.Integer(), usage: Type.Integer() }),
          },
          400: { description: 'no such limit' },
        },
      },
      async (context) => {
        const { name = '' } = context.params;
        if (name !== 'storage') throw badRequest(`unsupported limit "${name.slice(0, 64)}"`);
        const scope = scopeOf(context, 'releases:read');
        const usage = scope === 'all' ? await deps.room.used() : await bytesWithin(deps.db, scope);
        return json(200, { limit: deps.room.limit, usage });
      },
    ),
  ];
}

/** Who uploads: how far he reaches, and what the audit log is told of the artifact before it is known to be good. */
const uploaderOf = (context: Pick<Context, 'caller' | 'note'>): Uploader => ({
  scope: scopeOf(context, 'releases:manage'),
  named: (id, name) => context.note({ object: { type: 'artifact', id, name } }),
});

function objectRoutes({ db, blobs, live, linkSecret, publicUrl }: ArtifactDeps): Route[] {
  const path = `${artifacts}/{id}`;
  const found = async (id = '') => {
    const artifact = await findArtifact(db, checkUuid(id));
    if (!artifact) throw notFound(`no artifact ${id}`);
    return artifact;
  };
  const missing = { 400: { description: 'not a UUID' }, 404: { description: 'no such artifact' } };
  return [
    route(
      {
        method: 'GET',
        path,
        access: 'releases:read',
        confined: 'artifact',
        summary: 'An artifact',
        responses: { 200: { description: 'the artifact', body: Artifact }, ...missing },
      },
      async ({ params }) => json(200, await found(params['id'])),
    ),
    route(
      {
        method: 'PUT',
        path,
        access: 'releases:manage',
        confined: 'artifact',
        summary: 'Describe an artifact that no deployment has used',
        body: ArtifactChange,
        audit: 'artifact_update',
        responses: { 204: { description: 'done' }, ...missing, 422: { description: 'used in a deployment' } },
      },
      async ({ params, body, note }) => {
        const artifact = await found(params['id']);
        const description = body.description ?? '';
        note({
          object: { type: 'artifact', id: artifact.id, name: artifact.name },
          details: { before: { description: artifact.description }, after: { description } },
        });
        if ((await usageOf(db, artifact)) !== 'unused') throw unprocessable('Artifact is used in a deployment');
        await describeArtifact(db, artifact.id, description);
        live.tell('release', { name: artifact.name });
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path,
        access: 'releases:manage',
        confined: 'artifact',
        summary: 'Remove an artifact',
        audit: 'artifact_delete',
        responses: {
          204: { description: 'removed' },
          ...missing,
          409: { description: 'used in an active deployment' },
        },
      },
      async ({ params, note }) => {
        const artifact = await found(params['id']);
        note({ object: { type: 'artifact', id: artifact.id, name: artifact.name } });
        const tags = await tagsOf(db, artifact.name);
        await db.transaction().execute(async (trx) => {
          if ((await usageOf(trx, artifact)) === 'active') throw conflict('Artifact is used in active deployment');
          await removeArtifact(trx, artifact);
        });
        await blobs.remove(artifact.id);
        live.tellOf(tags, 'release', { name: artifact.name });
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${path}/download`,
        access: 'releases:read',
        confined: 'artifact',
        summary: 'A link to download an artifact; good for 15 minutes',
        responses: { 200: { description: 'the link', body: DownloadLink }, ...missing },
      },
      async ({ req, params }) => {
        const { id } = await found(params['id']);
        return json(200, signLink(linkSecret, publicUrl(req), `${artifactDownloadPath}/${id}`, linkLife.user));
      },
    ),
  ];
}
