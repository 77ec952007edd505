import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { Type } from 'typebox';
import { type ArtifactSpec, bytesSource, type PayloadSource, writeArtifact } from '#artifact';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { parser } from '#proto/validate';
import { badRequest, HttpError, unprocessable } from '../errors.ts';
import type { ArtifactDeps } from './deps.ts';
import { readForm, tooLarge } from './form.ts';
import { storeArtifact, type Uploaded, type Uploader } from './upload.ts';

/** The whole file, bytes (`server-api.md` §2.2.2). */
const fileLimit = 256 * 1024 * 1024;
const moduleType = 'single-file';
/** How the update module `single-file` is told where the file goes (`artifact-format.md` §10). */
const reserved = new Set(['dest_dir', 'filename', 'permissions']);
const permissions = '644';

const Words = Type.String({ minLength: 1, maxLength: 256 });
const parseFields = parser(
  Type.Object({
    name: Words,
    description: Type.Optional(Type.String({ maxLength: 4096 })),
    device_types_compatible: Type.String({ minLength: 1 }),
    type: Words,
    args: Type.String({ minLength: 1 }),
  }),
  'bad_request',
);
const parseArgs = parser(
  Type.Object({
    filename: Words,
    dest_dir: Type.String({ minLength: 1, maxLength: 4096 }),
    software_filesystem: Type.Optional(Words),
    software_name: Type.Optional(Words),
    software_version: Type.Optional(Words),
  }),
  'bad_request',
);

/** What is to be made of the file. */
interface Recipe {
  readonly name: string;
  readonly description: string;
  readonly deviceTypes: readonly string[];
  readonly args: ReturnType<typeof parseArgs>;
}

/** Makes an artifact that puts one file in its place, from a form, and stores it (§2.2.2). 422 if it is there already. */
export async function generateArtifact(
  deps: ArtifactDeps,
  req: IncomingMessage,
  uploader: Uploader,
): Promise<Uploaded> {
  try {
    return await readForm(req, { file: 'file', limit: fileLimit }, async (fields, file) => {
      const recipe = recipeOf(fields);
      uploader.named('', recipe.name);
      const raw = await spool(deps, file);
      try {
        const content = () => bytesOf(deps, raw.id);
        const source = { name: recipe.args.filename, size: raw.size, modified: 0, content };
        return await store(deps, recipe, source, uploader);
      } finally {
        await deps.blobs.remove(raw.id);
      }
    });
  } catch (error) {
    if (codeOf(error) === 'conflict') throw unprocessable(messageOf(error));
    throw error;
  }
}

/** An artifact names its file's size before its bytes: they wait in the store. After a crash they are an orphan there. */
async function spool(
  { blobs, room }: ArtifactDeps,
  file: AsyncIterable<Uint8Array>,
): Promise<{ id: string; size: number }> {
  const id = randomUUID();
  using share = await room.share();
  const blob = await blobs.create(id);
  try {
    let size = 0;
    for await (const chunk of file) {
      size += chunk.length;
      if (size > fileLimit) throw tooLarge(fileLimit);
      share.take(chunk.length);
      await blob.write(chunk);
    }
    await blob.commit();
    return { id, size };
  } catch (error) {
    await blob.abort();
    if (codeOf(error) === 'ENOSPC') throw new HttpError('unavailable', 'the server has no room left for artifacts');
    throw error;
  }
}

/** A blob's bytes, opened no sooner than somebody reads them. */
async function* bytesOf({ blobs }: ArtifactDeps, id: string): AsyncGenerator<Uint8Array, void, undefined> {
  yield* await blobs.open(id);
}

async function store(deps: ArtifactDeps, recipe: Recipe, file: PayloadSource, uploader: Uploader): Promise<Uploaded> {
  const output = new PassThrough({ highWaterMark: 1024 * 1024 });
  output.on('error', () => undefined);
  const written = finished(specOf(recipe, file), output).catch((error: Error) => {
    // What its own rules refuse came from the form.
    const fault = error instanceof CodedError && error.code === 'invalid_spec' ? badRequest(error.message) : error;
    output.destroy(fault);
    throw fault;
  });
  const { description } = recipe;
  const stored = storeArtifact(deps, output, { id: randomUUID(), size: undefined, description, uploader });
  const [writing, storing] = await Promise.allSettled([written, stored]);
  if (storing.status === 'fulfilled' && writing.status === 'fulfilled') return storing.value;
  // Whichever failed has ended the other: the fault with a code for clients is the one to tell.
  const faults = [writing, storing].flatMap((one) => (one.status === 'rejected' ? [one.reason as Error] : []));
  throw faults.find((fault) => fault instanceof HttpError) ?? faults[0] ?? new Error('not stored');
}

async function finished(spec: ArtifactSpec, output: PassThrough): Promise<void> {
  await writeArtifact(spec, output);
  output.end();
}

function specOf({ name, deviceTypes, args }: Recipe, file: PayloadSource): ArtifactSpec {
  const { software_filesystem: filesystem = 'rootfs-image', software_name: software = moduleType } = args;
  return {
    name,
    depends: { device_type: deviceTypes },
    payload: {
      type: moduleType,
      provides: { [`${filesystem}.${software}.version`]: args.software_version ?? name },
      depends: {},
      clears: [`${filesystem}.${software}.*`],
      files: [
        bytesSource('dest_dir', `${args.dest_dir}\n`),
        bytesSource('filename', `${args.filename}\n`),
        bytesSource('permissions', `${permissions}\n`),
        file,
      ],
    },
    compression: 'gzip',
  };
}

function recipeOf(fields: ReadonlyMap<string, string>): Recipe {
  const given = parseFields(Object.fromEntries(fields));
  if (given.type !== 'single_file') throw badRequest('type: must be single_file');
  const args = parseArgs(argsOf(given.args));
  const deviceTypes = given.device_types_compatible
    .split(',')
    .map((type) => type.trim())
    .filter((type) => type !== '');
  if (deviceTypes.some((type) => type.length > 256))
    throw badRequest('device_types_compatible: must not have more than 256 characters each');
  if (!args.dest_dir.startsWith('/')) throw badRequest('args/dest_dir: must be an absolute path');
  for (const [key, value] of Object.entries(args))
    if (/\p{C}/u.test(value)) throw badRequest(`args/${key}: must be printable`);
  if (reserved.has(args.filename)) throw badRequest(`args/filename: ${args.filename} has a meaning of its own`);
  return { name: given.name, description: given.description ?? '', deviceTypes, args };
}

function argsOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`args: not JSON: ${messageOf(error)}`);
  }
}
