import { pipeline } from 'node:stream/promises';
import { Type } from 'typebox';
import type { Log } from '#base/log';
import { Text } from '#proto/http/conventions';
import { badRequest, notFound } from '../errors.ts';
import { type Context, type Reply, type Route, route } from '../http/route.ts';
import type { ArtifactDeps } from './deps.ts';
import { artifactDownloadPath, checkLink } from './link.ts';
import { type Range, rangeOf } from '#base/range';
import { findArtifact } from './store.ts';

export const artifactType = 'application/vnd.mender-artifact';

/** `GET|HEAD …/download/artifact/{id}`: bytes for whoever holds a link of ours, in parts if he asks (§1.5). */
export function downloadRoute({ db, blobs, linkSecret, log }: ArtifactDeps): Route {
  return route(
    {
      method: 'GET',
      path: `${artifactDownloadPath}/{id}`,
      access: 'public',
      summary: 'Download an artifact by a signed link',
      query: Type.Object({ expire: Type.Optional(Text(64)), signature: Type.Optional(Text(128)) }),
      responses: {
        200: { description: 'the artifact', type: artifactType },
        206: { description: 'the part that was asked for', type: artifactType },
        400: { description: 'no signed link' },
        403: { description: 'expired, or not signed by this server' },
        404: { description: 'no such artifact' },
        416: { description: 'nothing there to send' },
      },
    },
    async ({ req, res, params: { id = '' }, query }): Promise<Reply> => {
      checkLink(linkSecret, `${artifactDownloadPath}/${id}`, query);
      const artifact = uuid.test(id) ? await findArtifact(db, id.toLowerCase()) : undefined;
      const size = artifact && (await blobs.size(id));
      if (!artifact || size === undefined) throw notFound(`no artifact ${id}`);
      const open = (range: Range): Promise<AsyncIterable<Uint8Array>> => blobs.open(id.toLowerCase(), range);
      await sendFile({ req, res, log }, { name: `${artifact.name}.mender`, etag: `"${artifact.id}"`, size, open });
      return 'streamed';
    },
  );
}

export interface ServedFile {
  readonly name: string;
  /** Quoted; what has the same has the same bytes. */
  readonly etag: string;
  readonly size: number;
  readonly open: (range: Range) => Promise<AsyncIterable<Uint8Array>>;
}

/** Answers with an artifact, or with the part of it that `Range` asks for. */
export async function sendFile(
  { req, res, log }: Pick<Context, 'req' | 'res'> & { readonly log: Log },
  { name, etag, size, open }: ServedFile,
): Promise<void> {
  res.set({
    'Content-Type': artifactType,
    'Content-Disposition': attachment(name.toWellFormed()),
    'Accept-Ranges': 'bytes',
    'Cache-Control': 'private, no-transform',
    ETag: etag,
  });
  const stale = req.get('if-range') !== undefined && req.get('if-range') !== etag;
  const range = stale ? 'all' : rangeOf(req.get('range'), size);
  if (range === 'unsatisfiable') {
    res.status(416).removeHeader('Content-Disposition');
    res.set('Content-Range', `bytes */${size}`).end();
    return;
  }
  const { start, end } = range === 'all' ? { start: 0, end: size - 1 } : range;
  if (range !== 'all') res.status(206).set('Content-Range', `bytes ${start}-${end}/${size}`);
  res.set('Content-Length', String(end - start + 1));
  if (req.method === 'HEAD') {
    res.end();
    return;
  }
  // A client that goes away in the middle comes back for the rest.
  await pipeline(await open({ start, end }), res).catch((error: unknown) =>
    log.debug('download ended early', { name, error: String(error) }),
  );
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** RFC 6266: a name in plain ASCII, and in full where it is more than that. */
export function attachment(name: string): string {
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%]/g, '_');
  const full = plain === name ? '' : `; filename*=UTF-8''${encodeURIComponent(name).replaceAll(/['()*]/g, percent)}`;
  return `attachment; filename="${plain}"${full}`;
}

const percent = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;

/** 400 for what is no UUID, as the artifact routes answer. */
export function checkUuid(id: string): string {
  if (!uuid.test(id)) throw badRequest(`not a UUID: ${id.slice(0, 64)}`);
  return id.toLowerCase();
}
