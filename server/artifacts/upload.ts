import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { conflict, badRequest, forbidden, HttpError } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { isDuplicate, type Queries } from '../store/store.ts';
import type { ArtifactDeps } from './deps.ts';
import { dependsKey, type Document } from './document.ts';
import { readForm } from './form.ts';
import { receiveArtifact } from './receive.ts';
import { reachesRelease } from './tagged.ts';
import type { Share } from './room.ts';
import { findArtifact, findConflict, insertArtifact, type NewArtifact } from './store.ts';

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const descriptionLimit = 4096;

/** In whose name an artifact is stored. */
export interface Uploader {
  /** Which releases he may write; a new one gets these tags, so that it is in his reach and in nobody else's. */
  readonly scope: Scope;
  /** Called as soon as it is known what is being uploaded, however it ends. */
  named(id: string, name: string): void;
}

export interface Uploaded {
  readonly id: string;
  readonly name: string;
  readonly size: number;
}

/** An upload of `server-api.md` §2.2.1: the artifact is stored and shown whole, or nothing of it is. */
export function uploadArtifact(deps: ArtifactDeps, req: IncomingMessage, uploader: Uploader): Promise<Uploaded> {
  const rules = { file: 'artifact', limit: deps.limits.artifactSize };
  return readForm(req, rules, (fields, file, filename) => {
    const id = idOf(fields.get('artifact_id'));
    const size = sizeOf(fields.get('size'));
    const description = fields.get('description') ?? '';
    uploader.named(id, filename);
    if (description.length > descriptionLimit)
      throw badRequest(`description: must not have more than ${descriptionLimit} characters`);
    return storeArtifact(deps, file, { id, size, description, uploader });
  });
}

export interface NewFile {
  readonly id: string;
  /** Bytes, if that is known. */
  readonly size: number | undefined;
  readonly description: string;
  readonly uploader: Uploader;
}

/** Stores an artifact from its bytes and tells of it. */
export async function storeArtifact(
  deps: ArtifactDeps,
  source: AsyncIterable<Uint8Array>,
  { id, size, description, uploader }: NewFile,
): Promise<Uploaded> {
  using share = await deps.room.share();
  const { row, undo } = await receiveRow(deps, source, { id, size, description, uploader }, share);
  try {
    await insertArtifact(deps.db, row);
    share.keep();
  } catch (error) {
    await undo();
    throw isDuplicate(error) ? taken((JSON.parse(row.document) as Document).artifact_depends, row.name) : error;
  }
  deps.live.tell('release', { name: row.name });
  return { id, name: row.name, size: Number(row.size) };
}

/** Takes an artifact's bytes into the store, checked; gives back the row that makes it one. */
export async function receiveRow(
  deps: ArtifactDeps,
  source: AsyncIterable<Uint8Array>,
  { id, size, description, uploader }: NewFile,
  share: Share,
): Promise<{ row: NewArtifact; undo: () => Promise<void> }> {
  const { db, blobs } = deps;
  if (await findArtifact(db, id)) throw conflict(`the artifact id ${id} is taken`);
  const received = await receiveArtifact(source, id, blobs, {
    size,
    share,
    limit: deps.limits.artifactSize,
    check: async (header) => {
      uploader.named(id, header.name);
      await checkReach(db, header.name, uploader.scope);
      const same = await findConflict(db, header.name, dependsKey(header));
      if (same) throw taken(same.artifact_depends, header.name);
    },
  });
  const { header, document } = received;
  const row = {
    id,
    name: header.name,
    description,
    depends_key: dependsKey(header),
    update_type: document.updates[0]?.type_info.type ?? null,
    document: JSON.stringify(document),
    size: received.size,
    deviceTypes: [...new Set(document.device_types_compatible)],
    tags: uploader.scope === 'all' ? [] : uploader.scope,
  };
  return { row, undo: () => received.undo() };
}

/** 403 for a release that is there and out of reach. */
async function checkReach(db: Queries, name: string, scope: Scope): Promise<void> {
  if (scope === 'all') return;
  const known = await db.selectFrom('releases').select('name').where('name', '=', name).executeTakeFirst();
  if (known && !(await reachesRelease(db, name, scope)))
    throw forbidden(`your roles do not let you add to the release "${name}"`);
}

export const taken = (depends: Readonly<Record<string, unknown>>, name: string): HttpError =>
  conflict('an artifact with the same name and depends already exists', {
    metadata: { conflict: { artifact_name: name, ...depends } },
  });

function idOf(given: string | undefined): string {
  if (given === undefined || given === '') return randomUUID();
  if (!uuid.test(given)) throw badRequest('artifact_id: must be a UUID');
  return given.toLowerCase();
}

function sizeOf(given: string | undefined): number | undefined {
  if (given === undefined || given === '') return undefined;
  if (!/^\d{1,15}$/.test(given)) throw badRequest('size: must be a number of bytes');
  return Number(given);
}
