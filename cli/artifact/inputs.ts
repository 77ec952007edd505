import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { StateScript } from '#artifact';
import { messageOf } from '#base/errors';
import { misuse, reason } from './exit.ts';

/** State scripts from files, and from folders of them. */
export async function readScripts(paths: readonly string[] = []): Promise<StateScript[]> {
  const found: StateScript[] = [];
  for (const path of paths) {
    for (const file of await filesAt(path)) {
      found.push({ name: basename(file), content: await input(file, () => readFile(file)) });
    }
  }
  return found;
}

async function filesAt(path: string): Promise<string[]> {
  const { isFolder } = await input(path, async () => ({ isFolder: (await stat(path)).isDirectory() }));
  return isFolder ? (await readdir(path)).sort().map((name) => join(path, name)) : [path];
}

/** Meta-data from a file: stored as it is, so that its numbers stay what they are. */
export async function readMetaData(path: string | undefined): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  const content = await input(path, () => readFile(path));
  if (content.length === 0) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw misuse(`${path}: meta-data is not JSON: ${messageOf(error).replaceAll(/\s+/g, ' ')}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw misuse(`${path}: meta-data must be a JSON object`);
  return content;
}

/** Reads what the command line names. */
export async function input<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw misuse(`${path}: cannot be read: ${reason(error)}`);
  }
}
