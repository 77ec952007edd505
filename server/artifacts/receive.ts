import { ArtifactError, type ArtifactHeader, openArtifact } from '#artifact';
import { codeOf } from '#base/errors';
import { badRequest, conflict, HttpError } from '../errors.ts';
import type { Blobs, BlobWriter } from '../blobs/blobs.ts';
import { documentOf, type Document } from './document.ts';
import { tooLarge } from './form.ts';
import type { Share } from './room.ts';

/** Device types of one artifact (`server-api.md` §5). */
const deviceTypesLimit = 200;

export interface Expected {
  /** Bytes that the artifact must have; undefined: any number. */
  readonly size: number | undefined;
  /** Most bytes. */
  readonly limit: number;
  /** Looks at the header before the payload comes: throws to refuse it early. */
  readonly check: (header: ArtifactHeader) => Promise<void>;
  readonly share: Share;
}

export interface Received {
  readonly header: ArtifactHeader;
  readonly document: Document;
  readonly size: number;
  /** Takes the blob away again. */
  undo(): Promise<void>;
}

/**
 * Stores an artifact under an id while every rule of the format and every checksum is checked. When this returns the
 * blob is durable; when it throws there is none.
 */
export async function receiveArtifact(
  source: AsyncIterable<Uint8Array>,
  id: string,
  blobs: Blobs,
  expected: Expected,
): Promise<Received> {
  const blob = await stored(() => blobs.create(id));
  try {
    const copy = new Copy(source, blob, expected);
    const { header, files } = await readWhole(copy, expected.check);
    if (expected.size !== undefined && expected.size !== copy.size)
      throw badRequest(`the artifact has ${copy.size} bytes, but the form said ${expected.size}`);
    await stored(() => blob.commit());
    return { header, document: documentOf(header, files), size: copy.size, undo: () => blob.abort() };
  } catch (error) {
    await blob.abort();
    throw error instanceof ArtifactError ? badRequest(`the artifact cannot be taken: ${error.message}`) : error;
  }
}

async function readWhole(source: AsyncIterable<Uint8Array>, check: Expected['check']) {
  const artifact = await openArtifact(source, { allowAugmented: true, allowVersion2: true, transient: true });
  const { header } = artifact;
  if (header.depends.device_type.length > deviceTypesLimit)
    throw badRequest(`the artifact names more than ${deviceTypesLimit} device types`);
  await check(header);
  const files: Document['updates'][number]['files'] = [];
  for await (const { name, size, checksum, modified, content } of artifact.files()) {
    for await (const _ of content);
    files.push({ name, checksum, size, date: dateOf(modified) });
  }
  return { header, files };
}

/** A tar may hold any number there, a JavaScript date may not. */
function dateOf(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? new Date(0).toISOString() : date.toISOString();
}

/** Passes bytes on after they went to the blob: whoever reads from it sets the pace of all. */
class Copy implements AsyncIterable<Uint8Array> {
  size = 0;
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #blob: BlobWriter;
  readonly #expected: Expected;

  constructor(source: AsyncIterable<Uint8Array>, blob: BlobWriter, expected: Expected) {
    this.#source = source;
    this.#blob = blob;
    this.#expected = expected;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const { limit, size, share } = this.#expected;
    for await (const chunk of this.#source) {
      this.size += chunk.length;
      if (this.size > limit) throw tooLarge(limit);
      share.take(chunk.length);
      if (size !== undefined && this.size > size)
        throw badRequest(`the artifact has more than the ${size} bytes that the form said`);
      // The reader hashes this chunk while it is being written.
      const written = stored(() => this.#blob.write(chunk));
      written.catch(() => undefined);
      yield chunk;
      await written;
    }
  }
}

/** What the store of blobs refuses for want of room is no fault of ours. */
async function stored<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EEXIST') throw conflict('an artifact with this id is coming already');
    if (code === 'ENOSPC' || code === 'EDQUOT')
      throw new HttpError('unavailable', 'the server has no room left for artifacts', { cause: error });
    if (code === 'EEXIST') throw new HttpError('conflict', 'an artifact with this id is being uploaded');
    throw error;
  }
}
