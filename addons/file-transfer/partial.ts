import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '#base/errors';
import { goError } from './go-error.ts';
import { Refusal } from './refusal.ts';

/** What nobody came back for is taken away by the next upload of the same name, ms. */
const keptFor = 24 * 3600 * 1000;
const tries = 256;

/** The file beside the target into which an upload is written, until it is whole. */
export interface Partial {
  readonly path: string;
  readonly file: FileHandle;
  /** Bytes that an earlier session left there, and their sum. */
  readonly size: number;
  readonly sha256: string | undefined;
}

let counter = 0;

/** A new one, for an upload that nobody will come back to. */
export async function freshPartial(target: string): Promise<Partial> {
  for (let attempt = 0; ; attempt++) {
    const number = (counter++ >>> 0).toString(16).padStart(8, '0');
    const path = `${target}.${number}${(attempt % tries).toString(16).padStart(2, '0')}`;
    try {
      return { path, file: await open(path, 'wx', 0o200), size: 0, sha256: undefined };
    } catch (error) {
      if (codeOf(error) === 'EEXIST' && attempt < tries) continue;
      throw cannotCreate(path, error);
    }
  }
}

/** That of the named upload, with what is there already. */
export async function namedPartial(target: string, upload: string): Promise<Partial> {
  const folder = dirname(target);
  // The whole name is to stay below the 255 bytes of a file system.
  const name = `.${Buffer.from(basename(target)).subarray(0, 160).toString()}`;
  await sweep(folder, name, upload);
  const path = join(folder, `${name}.${upload}.part`);
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  let file: FileHandle;
  try {
    file = await open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
  } catch (error) {
    throw cannotCreate(path, error);
  }
  const stats = await file.stat();
  // In a folder that others write to, such as /tmp, somebody may have put something of his there.
  if (!stats.isFile() || stats.uid !== process.geteuid?.() || stats.nlink !== 1) {
    await file.close();
    throw new Refusal(`failed to create target file: ${path} belongs to somebody else`);
  }
  return { path, file, size: stats.size, sha256: stats.size > 0 ? await sumOf(file, stats.size) : undefined };
}

/** SHA-256 in hex of the first `size` bytes; of fewer, if the file is shorter. */
export async function sumOf(file: FileHandle, size: number): Promise<string> {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(256 * 1024);
  for (let at = 0; at < size;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, size - at), at);
    if (bytesRead === 0) break;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest('hex');
}

async function sweep(folder: string, name: string, upload: string): Promise<void> {
  const entries = await readdir(folder).catch(() => []);
  const old = entries.filter(
    (entry) => entry.startsWith(`${name}.`) && /^\.[0-9a-f]{8,64}\.part$/.test(entry.slice(name.length)),
  );
  for (const entry of old) {
    if (entry === `${name}.${upload}.part`) continue;
    const path = join(folder, entry);
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isFile() && Date.now() - stats.mtimeMs > keptFor) await rm(path, { force: true }).catch(() => undefined);
  }
}

const cannotCreate = (path: string, error: unknown): Refusal =>
  new Refusal(`failed to create target file: failed to create file: ${goError('open', path, error)}`);
