import type { Stats } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { basename, dirname, join, normalize, resolve } from 'node:path';
import type { Static } from 'typebox';
import { findAccount } from '#base/account';
import { codeOf } from '#base/errors';
import { findGroup } from './group.ts';
import type manifest from './manifest.ts';
import { goSetuid, posixSetuid } from './mode.ts';
import { Rate } from './rate.ts';
import { denied, exhausted, Refusal } from './refusal.ts';

type Config = Static<(typeof manifest)['config']>['Limits'];

const follows = 'forbidden to follow the link';
const outside = 'the target file path is outside chroot';
const tooLarge = 'the file size is over the limit';
const wrongOwner = 'the file owner does not match';
const wrongGroup = 'the file group does not match';

/** What an upload ends as. Undefined: as the daemon would make it. */
export interface Fate {
  readonly mode: number;
  readonly uid: number | undefined;
  readonly gid: number | undefined;
}

/**
 * The owner's limits, of all sessions together (§4.3), in the reference's order and words. Paths are compared by
 * component and by what they resolve to: a name that only begins like the chroot, `..` and links do not lead out of it.
 */
export class Limits {
  readonly #config: Config;
  readonly #sent = new Rate();
  readonly #received = new Rate();

  constructor(config: Config) {
    this.#config = config;
  }

  get #files(): Config['FileTransfer'] {
    return this.#config.FileTransfer;
  }

  /** For what only looks: `stat`, `list`, `checksum`. */
  async look(path: string): Promise<void> {
    if (!this.#config.Enabled) return;
    this.#inside(path);
    await this.#links(path);
  }

  /** Before a download. Throws `Refusal`. */
  async get(path: string): Promise<void> {
    const { Counters, RegularFilesOnly } = this.#files;
    if (!this.#config.Enabled) return;
    if (this.#sent.exceeds(Counters.MaxBytesTxPerMinute)) throw new Refusal(exhausted);
    if (RegularFilesOnly && !(await lstat(path).catch(absent))?.isFile())
      throw denied('only regular files are allowed');
    this.#inside(path);
  }

  /** The rest, on the file that was opened: `real` is where it is, whatever led there. */
  async opened(path: string, real: string, file: Stats): Promise<void> {
    if (!this.#config.Enabled) return;
    const { Chroot, OwnerGet, GroupGet, FollowSymLinks, MaxFileSize } = this.#files;
    if (Chroot && !isBelow(real, await realpath(Chroot).catch(() => Chroot))) throw denied(outside);
    if (OwnerGet.length > 0 && !(await owners(OwnerGet)).includes(file.uid)) throw denied(wrongOwner);
    if (GroupGet.length > 0 && !(await groups(GroupGet)).includes(file.gid)) throw denied(wrongGroup);
    if (!FollowSymLinks && real !== path) throw denied(follows);
    if (MaxFileSize > 0 && file.size > MaxFileSize) throw denied(tooLarge);
  }

  /** Before an upload to `path`, which is `existing` now; gives back what the file is to be. Throws `Refusal`. */
  async put(path: string, existing: Stats | undefined, wanted: Wanted): Promise<Fate> {
    const { mode = 0o644, uid, gid } = wanted;
    if (!this.#config.Enabled) return { mode: mode & 0o777, uid, gid };
    const files = this.#files;
    if (this.#received.exceeds(files.Counters.MaxBytesRxPerMinute)) throw new Refusal(exhausted);
    if (files.MaxFileSize > 0 && (wanted.size ?? 0) > files.MaxFileSize) throw denied(tooLarge);
    this.#inside(path);
    await this.#links(dirname(path), join(path) === path);
    if (existing && !files.AllowOverwrite) throw denied('forbidden to overwrite the file');
    const [owner] = files.OwnerPut ? await owners([files.OwnerPut]) : [];
    const [group] = files.GroupPut ? await groups([files.GroupPut]) : [];
    if (files.OwnerPut && (owner === undefined || (existing && existing.uid !== owner))) throw denied(wrongOwner);
    if (files.GroupPut && (group === undefined || (existing && existing.gid !== group))) throw denied(wrongGroup);
    const setuid = mode & goSetuid || (files.ForbidSuid && mode & posixSetuid);
    if (setuid && !files.AllowSuid) throw denied('the set uid mode is forbidden');
    const keep = mode & (goSetuid | posixSetuid) ? posixSetuid : 0;
    const bits = files.Umask ? 0o777 & ~Number.parseInt(files.Umask, 8) : mode & 0o777;
    return { mode: bits | keep, uid: owner ?? uid, gid: group ?? gid };
  }

  /** Counts what is sent. Throws when the minute is used up. */
  sending(bytes: number): void {
    this.#sent.add(bytes);
    if (this.#config.Enabled && this.#sent.exceeds(this.#files.Counters.MaxBytesTxPerMinute))
      throw new Refusal(exhausted);
  }

  /** Counts what arrives; `size` is how large the file becomes by it. Throws when either is too much. */
  receiving(bytes: number, size: number): void {
    this.#received.add(bytes);
    if (!this.#config.Enabled) return;
    const { MaxFileSize, Counters } = this.#files;
    if ((MaxFileSize > 0 && size > MaxFileSize) || this.#received.exceeds(Counters.MaxBytesRxPerMinute))
      throw new Refusal(`failed to write file chunk: ${exhausted}`);
  }

  #inside(path: string): void {
    const { Chroot } = this.#files;
    if (Chroot && !isBelow(resolve(path), resolve(Chroot))) throw denied(outside);
  }

  /** `path` itself, as far as it is there. `plain`: it came without dots and double slashes. */
  async #links(path: string, plain = normalize(path) === path): Promise<void> {
    const { Chroot, FollowSymLinks } = this.#files;
    if (!Chroot && FollowSymLinks) return;
    const real = await resolved(path);
    if (Chroot && !isBelow(real, await resolved(Chroot))) throw denied(outside);
    if (!FollowSymLinks && (!plain || real !== path)) throw denied(follows);
  }
}

export interface Wanted {
  readonly size?: number | undefined;
  readonly mode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

/** Where a path leads; of one that is not there, the nearest folder above that is counts. */
async function resolved(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || path === '/') throw error;
    return join(await resolved(dirname(path)), basename(path));
  }
}

function isBelow(path: string, folder: string): boolean {
  return folder === '/' || path === folder || path.startsWith(`${folder}/`);
}

const absent = (): undefined => undefined;

/** Ids of names; a name that nobody has is left out. */
async function owners(names: readonly string[]): Promise<number[]> {
  const found = await Promise.all(names.map((name) => findAccount(name).catch(absent)));
  return found.flatMap((account) => (account ? [account.uid] : []));
}

async function groups(names: readonly string[]): Promise<number[]> {
  const found = await Promise.all(names.map((name) => findGroup(name)));
  return found.flatMap((gid) => (gid === undefined ? [] : [gid]));
}
