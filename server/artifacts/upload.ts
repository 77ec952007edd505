import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { conflict, badRequest, forbidden, HttpError } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { isDuplicate, type Queries } from '../store/store.ts';
import type { ArtifactDeps } from './deps.ts';
import { dependsKey } from './document.ts';
import { readForm } from './form.ts';
import { receiveArtifact } from './receive.ts';
import { reachesRelease } from './tagged.ts';
import { findArtifact, findConflict, insertArtifact } from './store.ts';

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

/** Stores an artifact from its bytes and tells of it. */
export async function storeArtifact(
  deps: ArtifactDeps,
  source: AsyncIterable<Uint8Array>,
  {
    id,
    size,
    description,
    uploader,
  }: { id: string; size: number | undefined; description: string; uploader: Uploader },
): Promise<Uploaded> {
  const { db, blobs } = deps;
  if (await findArtifact(db, id)) throw conflict(`the artifact id ${id} is taken`);
  const received = await receiveArtifact(source, id, blobs, {
    size,
    limit: deps.limits.artifactSize,
    check: async (header) => {
      uploader.named(id, header.name);
      await checkReach(db, header.name, uploader.scope);
      const same = await findConflict(db, header.name, dependsKey(header));
      if (same) throw taken(same.artifact_depends, header.name);
    },
  });
  const { header, document } = received;
  try {
    await insertArtifact(db, {
      id,
      name: header.name,
      description,
      depends_key: dependsKey(header),
      update_type: document.updates[0]?.type_info.type ?? null,
      document: JSON.stringify(document),
      size: received.size,
      deviceTypes: [...new Set(document.device_types_compatible)],
      tags: uploader.scope === 'all' ? [] : uploader.scope,
    });
  } catch (error) {
    await received.undo();
    throw isDuplicate(error) ? taken(document.artifact_depends, header.name) : error;
  }
  deps.live.tell('release', { name: header.name });
  return { id, name: header.name, size: received.size };
}

/** 403 for a release that is there and out of reach. */
async function checkReach(db: Queries, name: string, scope: Scope): Promise<void> {
  if (scope === 'all') return;
  const known = await db.selectFrom('releases').select('name').where('name', '=', name).executeTakeFirst();
  if (known && !(await reachesRelease(db, name, scope)))
    throw forbidden(`your roles do not let you add to the release "${name}"`);
}

const taken = (depends: Readonly<Record<string, unknown>>, name: string): HttpError =>
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
