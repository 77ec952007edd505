import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { chown, mkdir, rename, rm, stat, utimes, chmod } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { Writable } from 'node:stream';
import { CodedError } from '#base/errors';
import type { Connection } from './connection.ts';
import { isFolderMode, isRegularMode, isSymlinkMode } from './mode.ts';
import type { Progress } from './progress.ts';
import type { Remote, RemoteInfo } from './remote.ts';

export interface CopyOptions {
  readonly recursive: boolean;
  /** Owner and group as well, which only root may give away. */
  readonly owner: boolean;
}

type Info = Pick<RemoteInfo, 'size' | 'mode' | 'uid' | 'gid' | 'modtime'>;

/** Copies a file or a folder of the device to a path here. */
export async function get(
  device: Connection,
  from: string,
  to: string,
  options: CopyOptions,
  progress: Progress,
): Promise<void> {
  const info = await device.use((remote) => remote.stat(from));
  const folder = (await stat(to).catch(() => undefined))?.isDirectory() ?? false;
  const target = folder ? join(to, basename(from)) : to;
  if (!isFolderMode(info.mode ?? 0)) return await getFile(device, from, target, info, options, progress);
  if (!options.recursive)
    throw new CodedError('failed', `${from} is a folder: add -r to copy it with all that it holds`);
  await getFolder(device, from, target, info, options, progress);
}

/** The bytes of a file to a stream, such as standard output. What it has taken it cannot give back: there is no resuming. */
export async function getStream(device: Connection, from: string, to: Writable, progress: Progress): Promise<void> {
  let size = 0;
  await device.use(async (remote) => {
    const info = await remote.stat(from);
    progress.file(from, info.size ?? undefined, size);
    if (size > 0 && !remote.extended) throw new CodedError('failed', 'the device cannot go on where it was cut');
    for await (const bytes of remote.read(from, size)) {
      size += bytes.length;
      progress.add(bytes.length);
      if (!to.write(bytes)) await once(to, 'drain');
    }
  });
  // The program ends after this, whatever a pipe has not taken yet.
  await new Promise<void>((resolve) => to.write('', () => resolve()));
}

async function getFolder(
  device: Connection,
  from: string,
  to: string,
  info: Info,
  options: CopyOptions,
  progress: Progress,
): Promise<void> {
  const entries = await device.use(async (remote) => {
    if (!remote.extended) await remote.stat(from);
    if (!remote.extended)
      throw new CodedError(
        'failed',
        "this device's Connect daemon is not Patchbay's and cannot list folders: copy files",
      );
    return await Array.fromAsync(remote.list(from));
  });
  await mkdir(to, { recursive: true });
  for (const entry of entries) {
    const { name } = entry;
    // The device says what its files are called; it does not say where they go here.
    if (name === '' || name === '.' || name === '..' || name.includes('/')) continue;
    const path = join(from, name);
    const mode = entry.mode ?? 0;
    if (isFolderMode(mode)) await getFolder(device, path, join(to, name), entry, options, progress);
    else if (isRegularMode(mode)) await getFile(device, path, join(to, name), entry, options, progress);
    else if (isSymlinkMode(mode)) await getLinked(device, path, join(to, name), options, progress);
    else progress.say(`${path}: not copied, it is no file`);
  }
  await settle(to, info, options);
}

/** What a link leads to, if that is a file: a folder might lead back to where we came from. */
async function getLinked(device: Connection, from: string, to: string, options: CopyOptions, progress: Progress) {
  const info = await device.use((remote) => remote.stat(from).catch(() => undefined));
  if (info && isRegularMode(info.mode ?? 0)) await getFile(device, from, to, info, options, progress);
  else progress.say(`${from}: not copied, it is a link that leads to no file`);
}

/** Into a file beside the target, which takes its name when it is whole; a cut download goes on there. */
async function getFile(
  device: Connection,
  from: string,
  to: string,
  info: Info,
  options: CopyOptions,
  progress: Progress,
): Promise<void> {
  const total = info.size ?? 0;
  const identity = createHash('sha256').update(JSON.stringify([from, total, info.modtime]));
  const part = join(dirname(to), `.${basename(to).slice(0, 100)}.${identity.digest('hex').slice(0, 16)}.part`);
  await device.use(async (remote) => {
    const offset = await remains(remote, part, from, total);
    progress.file(from, total, offset);
    const file = createWriteStream(part, {
      flags: offset > 0 ? 'r+' : 'w',
      start: offset,
      mode: 0o600,
      highWaterMark: 1 << 20,
    });
    // Told by the writing and by the end; a failure between the two is nobody's to catch.
    file.on('error', () => undefined);
    try {
      for await (const bytes of remote.read(from, offset)) {
        // The bytes are a part of the frame that they came in, which nobody writes over.
        if (file.errored) throw file.errored;
        if (!file.write(bytes)) await once(file, 'drain');
        progress.add(bytes.length);
      }
      file.end();
      await finished(file);
    } finally {
      file.destroy();
    }
  });
  await settle(part, info, options);
  await rename(part, to);
}

/** How much of the file an earlier try has left, if it is the same file still. */
async function remains(remote: Remote, part: string, from: string, total: number): Promise<number> {
  const size = (await stat(part).catch(() => undefined))?.size ?? 0;
  if (size === 0) return 0;
  if (!remote.extended) await remote.stat(from);
  if (remote.extended && size <= total) {
    const theirs = await remote.sum(from, size);
    if (theirs.size === size && theirs.sha256 === (await sumOfFile(part, size))) return size;
  }
  await rm(part, { force: true });
  return 0;
}

export async function sumOfFile(path: string, size: number): Promise<string> {
  const hash = createHash('sha256');
  if (size > 0) for await (const bytes of createReadStream(path, { end: size - 1 })) hash.update(bytes as Buffer);
  return hash.digest('hex');
}

/** Mode and times as they are on the device. */
async function settle(path: string, { mode, uid, gid, modtime }: Info, { owner }: CopyOptions): Promise<void> {
  if (owner && typeof uid === 'number' && typeof gid === 'number') await chown(path, uid, gid);
  if (mode) await chmod(path, mode & 0o777);
  if (modtime) await utimes(path, modtime, modtime);
}
