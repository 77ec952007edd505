// The real programs to test against, from Debian's packages: unpacked into an ignored folder and never installed, so
// that nothing starts or changes on the machine.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { describe } from 'vitest';
import { CodedError } from '#base/errors';
import { describeWhere } from '#base/where.testing';
import { makeDebianRoot } from './stage/debian-root.ts';

const run = promisify(execFile);
const peers = join(import.meta.dirname, '..', '.peers');

/** Where packages put programs. */
const programFolders = ['usr/bin', 'usr/sbin', 'usr/lib/postgresql/15/bin'];

/** Packages that a program's own package leans on and that a machine may lack; they are unpacked into the same root. */
const libraries: Readonly<Record<string, string>> = {
  'libwrap.so.0': 'libwrap0',
  'libgio-2.0.so.0': 'libglib2.0-0',
  'libglib-2.0.so.0': 'libglib2.0-0',
  'libgobject-2.0.so.0': 'libglib2.0-0',
  'libssl.so.3': 'libssl3',
  'libcrypto.so.3': 'libssl3',
  'liblzma.so.5': 'liblzma5',
  'libpcre2-8.so.0': 'libpcre2-8-0',
  'libffi.so.8': 'libffi8',
  'libpq.so.5': 'libpq5',
  'libicui18n.so.72': 'libicu72',
  'libicuuc.so.72': 'libicu72',
  'libicudata.so.72': 'libicu72',
  'libldap-2.5.so.0': 'libldap-2.5-0',
  'liblber-2.5.so.0': 'libldap-2.5-0',
  'libsasl2.so.2': 'libsasl2-2',
  'libxml2.so.2': 'libxml2',
  'libgssapi_krb5.so.2': 'libgssapi-krb5-2',
  'libkrb5.so.3': 'libkrb5-3',
  'libk5crypto.so.3': 'libk5crypto3',
  'libkrb5support.so.0': 'libkrb5support0',
  'libkeyutils.so.1': 'libkeyutils1',
  'liblz4.so.1': 'liblz4-1',
  'libuuid.so.1': 'libuuid1',
  'libubootenv.so.0': 'libubootenv0.1',
  'libdevmapper.so.1.02.1': 'libdevmapper1.02.1',
  'libefivar.so.1': 'libefivar1',
  'libefiboot.so.1': 'libefiboot1',
  'libfuse.so.2': 'libfuse2',
  'libpopt.so.0': 'libpopt0',
  'libxxhash.so.0': 'libxxhash0',
};

/** Packages that hold nothing but the name of the newest one. */
const metapackages: ReadonlySet<string> = new Set(['linux-image-cloud-amd64']);

/** No package but a root directory that starts: a small Debian with systemd. */
export const debian = 'debian';

/** A peer cannot be had here; the message says how to get it. */
export class PeerMissing extends CodedError {
  constructor(name: string, how: string, cause?: unknown) {
    super('peer_missing', `${name} is not here: ${how}`, { cause });
  }
}

/** The folder that holds the unpacked package as the root directory of a machine would. Fetched once, then kept. */
export async function peer(name: string): Promise<string> {
  const root = join(peers, name);
  if (existsSync(root)) return root;
  await mkdir(peers, { recursive: true });
  return await alone(join(peers, `${name}.lock`), async () => {
    if (existsSync(root)) return root;
    const fresh = await (name === debian ? makeDebian() : unpack(name));
    await rename(fresh, root); // complete or not there at all
    return root;
  });
}

/** Where the shared libraries that came along are, for LD_LIBRARY_PATH. */
export async function peerEnvironment(name: string): Promise<Record<string, string>> {
  const root = await peer(name);
  const folders = [...(await libraryFolders(join(root, 'usr', 'lib'))), ...(await libraryFolders(join(root, 'lib')))];
  return folders.length > 0 ? { LD_LIBRARY_PATH: folders.join(':') } : {};
}

/**
 * A suite against real programs. On a machine that cannot have them it is skipped and says why; in CI that is a failure.
 * The roots are handed over in the order of the names. `why`: what else
 * is wrong with this machine.
 */
export async function describePeers(
  title: string,
  names: readonly string[],
  suite: (...roots: string[]) => void,
  why?: string,
) {
  const nowhere = () => suite(...names.map((name) => join(peers, name)));
  if (why !== undefined) {
    describeWhere(title, why, nowhere);
    return;
  }
  const roots: string[] = [];
  try {
    for (const name of names) roots.push(await peer(name));
  } catch (error) {
    if (!(error instanceof PeerMissing)) throw error;
    describeWhere(title, error.message, nowhere);
    return;
  }
  describe(title, () => suite(...roots));
}

async function makeDebian(): Promise<string> {
  const ready = join(peers, `${debian}.${process.pid}.ready`);
  await rm(ready, { recursive: true, force: true });
  try {
    await makeDebianRoot(ready);
    return ready;
  } catch (cause) {
    await rm(ready, { recursive: true, force: true });
    const why = cause instanceof Error ? cause.message.trim().split('\n').slice(-3).join(' ') : String(cause);
    throw new PeerMissing('a root of Debian', `as root on Debian with mmdebstrap and a network (${why})`, cause);
  } finally {
    await rm(`${ready}.list`, { force: true });
  }
}

async function unpack(name: string): Promise<string> {
  const work = join(peers, `${name}.${process.pid}.tmp`);
  await rm(work, { recursive: true, force: true });
  await mkdir(join(work, 'debs'), { recursive: true });
  const root = join(work, 'root');
  const done = new Set<string>();
  for (let wanted = [metapackages.has(name) ? await newest(name) : name]; wanted.length > 0;) {
    for (const each of wanted) {
      await fetchPackage(name, each, join(work, 'debs'));
      done.add(each);
    }
    for (const deb of await readdir(join(work, 'debs'))) await run('dpkg', ['-x', join(work, 'debs', deb), root]);
    wanted = (await missingLibraries(root)).map((library) => libraries[library] ?? library).filter((p) => !done.has(p));
  }
  const ready = join(peers, `${name}.${process.pid}.ready`);
  await rename(root, ready);
  await rm(work, { recursive: true, force: true });
  return ready;
}

/** The package that a metapackage stands for. */
async function newest(name: string): Promise<string> {
  const depends = async () =>
    /^\s*Depends: (\S+)$/m.exec((await run('apt-cache', ['depends', name]).catch(() => ({ stdout: '' }))).stdout)?.[1];
  const found = (await depends()) ?? (await run('apt-get', ['-q', 'update']).then(depends, () => undefined));
  if (found === undefined) throw new PeerMissing(name, `as root, with a network: apt-get update`);
  return found;
}

async function fetchPackage(peerName: string, name: string, folder: string): Promise<void> {
  // The lists may be missing on a new machine or stale on an old one: refreshed only when the first try fails.
  try {
    await run('apt-get', ['-q', 'download', name], { cwd: folder });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
      throw new PeerMissing(peerName, "these tests need Debian's apt-get and dpkg", error);
    }
    try {
      await run('apt-get', ['-q', 'update']);
      await run('apt-get', ['-q', 'download', name], { cwd: folder });
    } catch (cause) {
      throw new PeerMissing(peerName, `as root, with a network: apt-get update && apt-get download ${name}`, cause);
    }
  }
}

async function missingLibraries(root: string): Promise<string[]> {
  const missing = new Set<string>();
  const folders = [...(await libraryFolders(join(root, 'usr', 'lib'))), ...(await libraryFolders(join(root, 'lib')))];
  const env = { ...process.env, LD_LIBRARY_PATH: folders.join(':') };
  for (const folder of programFolders) {
    for (const program of existsSync(join(root, folder)) ? await readdir(join(root, folder)) : []) {
      const { stdout } = await run('ldd', [join(root, folder, program)], { env }).catch(() => ({ stdout: '' }));
      for (const [, library] of stdout.matchAll(/^\s*(\S+) => not found/gm)) missing.add(library ?? '');
    }
  }
  return [...missing];
}

async function libraryFolders(lib: string): Promise<string[]> {
  if (!existsSync(lib)) return [];
  const entries = await readdir(lib, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory() && entry.name.includes('-linux-')).map((e) => join(lib, e.name));
}

/** Test files run in several processes; one fetches, the others wait. A lock whose process is gone counts for nothing. */
async function alone<T>(lock: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    const handle = await open(lock, 'wx').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return undefined;
      throw error;
    });
    if (handle) {
      try {
        await handle.writeFile(String(process.pid));
        return await work();
      } finally {
        await handle.close();
        await rm(lock, { force: true });
      }
    }
    if (await abandoned(lock)) await rm(lock, { force: true });
    else await pause(200);
  }
}

async function abandoned(lock: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(lock, 'utf8'));
    if (pid === 0) return Date.now() - (await stat(lock)).mtimeMs > 5000;
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
