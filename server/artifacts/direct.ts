import { randomUUID } from 'node:crypto';
import { Type } from 'typebox';
import type { IncomingMessage } from 'node:http';
import { Text, Timestamp, Uuid } from '#proto/http/conventions';
import { badRequest, conflict, notFound } from '../errors.ts';
import { empty, json, type Route, route } from '../http/route.ts';
import { isDuplicate, type Db } from '../store/store.ts';
import type { Blobs } from '../blobs/blobs.ts';
import type { ArtifactDeps } from './deps.ts';
import { checkUuid } from './download.ts';
import { tooLarge } from './form.ts';
import { checkLink, linkLife, signUpload } from './link.ts';
import { insertArtifact, type NewArtifact } from './store.ts';
import { receiveRow, taken } from './upload.ts';

const Link = Type.Object({ id: Uuid, uri: Type.String(), expire: Timestamp, method: Type.Literal('PUT') });
/** What the client says of the artifact; the artifact itself says it better. */
const Metadata = Type.Object({ size: Type.Optional(Type.Integer({ minimum: 0 })) });

/** Uploads in three steps: a link, the file put there, "complete" (`server-api.md` §2.2). The link is to this server. */
export function directRoutes(deps: ArtifactDeps, artifacts: string): Route[] {
  const { db, blobs, live, linkSecret, publicUrl } = deps;
  const base = `${artifacts}/directupload`;
  return [
    route(
      {
        method: 'POST',
        path: base,
        access: 'releases:manage',
        summary: 'A link to put an artifact to; good for an hour',
        audit: 'artifact_upload_link',
        responses: { 200: { description: 'the link', body: Link } },
      },
      async ({ req, note }) => {
        await forgetExpired(db, blobs);
        const id = randomUUID();
        const expire = new Date(Date.now() + linkLife.upload).toISOString();
        await db.insertInto('direct_uploads').values({ id, expires: expire, artifact: null, size: 0 }).execute();
        note({ object: { type: 'artifact', id } });
        return json(200, { id, ...signUpload(linkSecret, publicUrl(req), `${base}/${id}`, expire) });
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${base}/{id}`,
        access: 'public',
        summary: 'Put an artifact, its bytes as the body, by a signed link',
        streams: true,
        audit: 'artifact_direct_upload',
        query: Type.Object({ expire: Type.Optional(Text(64)), signature: Type.Optional(Text(128)) }),
        responses: {
          200: { description: 'taken; it counts once it is complete' },
          400: { description: 'no signed link, or not a good artifact' },
          403: { description: 'expired, or not signed by this server' },
          404: { description: 'no such upload' },
          409: { description: 'an artifact with the same name and depends is there, or the upload has come already' },
          413: { description: 'larger than the limit' },
          503: { description: 'no room left' },
        },
      },
      async ({ req, params: { id = '' }, query, note }) => {
        checkLink(linkSecret, `${base}/${id}`, query, { method: 'PUT' });
        const pending = await db.selectFrom('direct_uploads').selectAll().where('id', '=', id).executeTakeFirst();
        if (!pending) throw notFound(`no direct upload ${id}`);
        if (pending.artifact !== null || (await blobs.size(id)) !== undefined)
          throw conflict('this link has been used: ask for another one');
        const size = lengthOf(req);
        if (size !== undefined && size > deps.limits.artifactSize) throw tooLarge(deps.limits.artifactSize);
        // Links are given to whoever may write all releases.
        const named = (_: string, name: string): void => note({ object: { type: 'artifact', id, name } });
        const uploader = { scope: 'all', named } as const;
        using share = await deps.room.share();
        const { row, undo } = await receiveRow(deps, bytesOf(req), { id, size, description: '', uploader }, share);
        note({ object: { type: 'artifact', id, name: row.name }, details: { size: row.size } });
        try {
          const { numUpdatedRows } = await db
            .updateTable('direct_uploads')
            .set({ artifact: JSON.stringify(row), size: row.size })
            .where('id', '=', id)
            .where('artifact', 'is', null)
            .executeTakeFirst();
          if (numUpdatedRows === 0n) throw notFound(`no direct upload ${id}`);
          share.keep();
        } catch (error) {
          await undo();
          throw error;
        }
        return empty(200);
      },
    ),
    route(
      {
        method: 'POST',
        path: `${base}/{id}/complete`,
        access: 'releases:manage',
        summary: 'Make what was put to the link an artifact',
        body: Metadata,
        optionalBody: true,
        audit: 'artifact_upload',
        responses: {
          202: { description: 'it is one; GET artifacts/{id} shows it' },
          400: { description: 'not a UUID, or another size than was put' },
          404: { description: 'nothing was put under this id' },
          409: { description: 'an artifact with the same name and depends is there' },
        },
      },
      async ({ params, body, note }) => {
        const id = checkUuid(params['id'] ?? '');
        const pending = await db.selectFrom('direct_uploads').selectAll().where('id', '=', id).executeTakeFirst();
        if (!pending || pending.artifact === null) throw notFound(`no direct upload ${id}`);
        const row = JSON.parse(pending.artifact) as NewArtifact;
        note({ object: { type: 'artifact', id, name: row.name }, details: { size: row.size } });
        const said = (body as { size?: number } | undefined)?.size;
        if (said !== undefined && said !== 0 && said !== Number(row.size))
          throw badRequest(`the artifact has ${row.size} bytes, not ${said}`);
        try {
          await insertArtifact(db, row, (trx) => trx.deleteFrom('direct_uploads').where('id', '=', id).execute());
        } catch (error) {
          if (!isDuplicate(error)) throw error;
          await db.deleteFrom('direct_uploads').where('id', '=', id).execute();
          await blobs.remove(id);
          throw taken({}, row.name);
        }
        live.tell('release', { name: row.name });
        return empty(202);
      },
    ),
  ];
}

/** The body; who stops reading leaves the socket open, for there is an answer to come. */
const bytesOf = (req: IncomingMessage): AsyncIterable<Uint8Array> => ({
  [Symbol.asyncIterator]: () => req.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>,
});

function lengthOf(req: IncomingMessage): number | undefined {
  const length = req.headers['content-length'];
  return length === undefined ? undefined : Number(length);
}

/** What nobody completed in time goes. */
async function forgetExpired(db: Db, blobs: Blobs): Promise<void> {
  // A whole life later: whoever put his file in the last minute has as long again to say so.
  const late = new Date(Date.now() - linkLife.upload).toISOString();
  const rows = await db.selectFrom('direct_uploads').select('id').where('expires', '<', late).execute();
  for (const { id } of rows) {
    const gone = await db.deleteFrom('direct_uploads').where('id', '=', id).executeTakeFirst();
    if (gone.numDeletedRows > 0n) await blobs.remove(id);
  }
}
