import { randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, chown, realpath, rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { CodedError } from '#base/errors';
import { ByteReader } from './byte-reader.ts';
import { defaultLimits } from './limits.ts';
import type { Signer } from './signer.ts';
import { tarMember } from './tar-writer.ts';
import { TarReader } from './tar-reader.ts';

export interface SignOptions {
  /** Default: the artifact itself, which keeps owner and mode; a link is followed. */
  readonly output?: string;
  /** Replace a signature. */
  readonly force?: boolean;
}

/**
 * Puts a signature into an artifact file that is known to be sound; nothing else in it changes. Throws `already_signed`.
 */
export async function signArtifact(path: string, signer: Signer, { output, force }: SignOptions = {}): Promise<void> {
  const { manifest, before, after, signed } = await locate(path);
  if (signed && !force) throw new CodedError('already_signed', 'is signed already');
  const signature = Buffer.from(await signer.sign(manifest)).toString('base64');
  const target = output ?? (await realpath(path));
  const partial = `${target}.${randomBytes(6).toString('hex')}.part`;
  async function* parts() {
    yield* createReadStream(path, { end: before - 1 }) as AsyncIterable<Buffer>;
    yield tarMember('manifest.sig', Buffer.from(signature), 0o600, 0);
    yield* createReadStream(path, { start: after, highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>;
  }
  try {
    await pipeline(Readable.from(parts(), { objectMode: false }), createWriteStream(partial, { flags: 'wx' }));
    if (output === undefined) await keepOwner(target, partial);
    await rename(partial, target);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

/** The signed bytes, and where the signature goes: behind `before`, in place of what is up to `after`. */
async function locate(path: string): Promise<{ manifest: Uint8Array; before: number; after: number; signed: boolean }> {
  const bytes = new ByteReader(createReadStream(path));
  try {
    const tar = new TarReader(bytes, '', defaultLimits);
    await tar.next();
    const entry = await tar.next();
    if (entry?.name !== 'manifest') throw new CodedError('not_an_artifact', 'is not an artifact');
    const manifest = await tar.whole(entry, defaultLimits.manifest);
    const signed = (await tar.next())?.name === 'manifest.sig';
    const before = tar.start;
    if (signed) await tar.next();
    return { manifest, before, after: tar.start, signed };
  } finally {
    bytes.close();
  }
}

async function keepOwner(original: string, copy: string): Promise<void> {
  const { mode, uid, gid } = await stat(original);
  await chmod(copy, mode & 0o7777);
  // Only root may give files away; anybody else already owns what they could replace.
  if (process.getuid?.() === 0) await chown(copy, uid, gid);
}
