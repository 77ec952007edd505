import { createHash } from 'node:crypto';
import type { Stats } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { CodedError } from '#base/errors';
import type { Connection } from './connection.ts';
import { sumOfFile, type CopyOptions } from './get.ts';
import { isFolderMode } from './mode.ts';
import { piecesOf } from './pieces.ts';
import type { Progress } from './progress.ts';
import { Refusal } from './refusal.ts';

/** Copies a file or a folder of this machine to a path on the device. */
export async function put(
  device: Connection,
  from: string,
  to: string,
  options: CopyOptions,
  progress: Progress,
): Promise<void> {
  const stats = await statsOf(from);
  const isFolder = await device.use(async (remote) => {
    try {
      return isFolderMode((await remote.stat(to)).mode ?? 0);
    } catch (error) {
      // It is not there yet, or is not to be looked at: the upload will show what becomes of it.
      if (error instanceof Refusal) return to.endsWith('/');
      throw error;
    }
  });
  const target = isFolder ? join(to, basename(resolve(from))) : to;
  if (!stats.isDirectory()) return await putFile(device, from, target, stats, options, progress);
  if (!options.recursive)
    throw new CodedError('failed', `${from} is a folder: add -r to copy it with all that it holds`);
  await putFolder(device, from, target, stats, options, progress);
}

/** Bytes of a stream, such as standard input: as they come, so a cut upload cannot go on. */
export async function putStream(
  device: Connection,
  from: AsyncIterable<Uint8Array>,
  to: string,
  progress: Progress,
): Promise<void> {
  progress.file('standard input', undefined);
  let taken = false;
  await device.use(async (remote) => {
    if (taken) throw new CodedError('failed', 'connection lost, and standard input cannot be read twice');
    const upload = remote.write({ path: to }, () => {
      taken = true;
      return counted(from, progress);
    });
    await upload.catch(nameFolder(to));
  });
}

/** The device says of a folder that is not there only that a temporary file cannot be made in it, whose name means nothing. */
const nameFolder = (to: string) => (error: unknown) => {
  const missing = error instanceof Refusal && /^failed to create target file.*no such file/.test(error.message);
  throw missing ? new Refusal(`there is no folder ${dirname(to)}: make it first, or name one that is there`) : error;
};

async function putFolder(
  device: Connection,
  from: string,
  to: string,
  stats: Stats,
  options: CopyOptions,
  progress: Progress,
): Promise<void> {
  await device.use(async (remote) => {
    if (!remote.extended)
      throw new CodedError(
        'failed',
        "this device's Connect daemon is not Patchbay's and cannot make folders: copy files",
      );
    await remote.makeFolder(to, stats.mode & 0o777);
  });
  for (const name of (await readdir(from)).sort()) {
    const path = join(from, name);
    const inner = await stat(path).catch(() => undefined);
    if (inner?.isDirectory()) await putFolder(device, path, join(to, name), inner, options, progress);
    else if (inner?.isFile()) await putFile(device, path, join(to, name), inner, options, progress);
    else progress.say(`${path}: not copied, it is no file`);
  }
}

async function putFile(
  device: Connection,
  from: string,
  to: string,
  stats: Stats,
  options: CopyOptions,
  progress: Progress,
): Promise<void> {
  if (!stats.isFile()) throw new CodedError('failed', `${from} is no file`);
  // The same file to the same place is the same upload, also when this program was started again.
  const identity = createHash('sha256').update(JSON.stringify([resolve(from), to, stats.size, stats.mtimeMs]));
  const request = {
    path: to,
    src_path: from,
    size: stats.size,
    mode: stats.mode & 0o7777,
    modtime: stats.mtime,
    upload: identity.digest('hex').slice(0, 16),
    ...(options.owner ? { uid: stats.uid, gid: stats.gid } : {}),
  };
  await device.use((remote) => {
    const upload = remote.write(
      request,
      (offset) => {
        progress.file(from, stats.size, offset);
        return counted(bytesOf(from, offset), progress);
      },
      async ({ offset, sha256 }) => offset <= stats.size && sha256 === (await sumOfFile(from, offset)),
    );
    return upload.catch(nameFolder(to));
  });
}

async function* bytesOf(path: string, offset: number): AsyncGenerator<Uint8Array> {
  await using file = await open(path);
  yield* piecesOf(file, offset);
}

async function* counted(source: AsyncIterable<Uint8Array>, progress: Progress): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    yield bytes;
    progress.add(bytes.length);
  }
}

async function statsOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    throw new CodedError(
      'failed',
      `cannot read ${path}: ${(error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : String(error)}`,
    );
  }
}
