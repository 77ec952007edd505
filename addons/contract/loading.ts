import { existsSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export type Part = 'manifest' | 'device' | 'server' | 'web' | 'cli';

/** The add-ons of this package. A bundle has a table of them, because a bundler follows no computed import. */
export interface Ours {
  /** Those that have this part. */
  names(part: Part): readonly string[];
  load(name: string, part: Part): Promise<unknown>;
}

const folder = fileURLToPath(new URL('../', import.meta.url));
const ending = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** Ours, read off their folders: none is named anywhere, so one that is deleted is missed nowhere. */
export const ours: Ours = {
  names: (part) =>
    readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, `${part}.${ending}`)))
      .map(({ name }) => name)
      .filter((name) => name !== 'contract')
      .sort(),
  load: (name, part) => import(`#addons/${name}/${part}`),
};

/** Gives the module that is a part of an add-on; rejects if there is none. */
export type LoadModule = (name: string, part: Part) => Promise<unknown>;

/** The file of a part of somebody's package, which is looked for beside `file`; throws if there is none. */
export const fileOf = (name: string, part: Part, file: string): string =>
  createRequire(pathToFileURL(file)).resolve(`${name}/${part}`);

/** Ours by the names of their folders, others by their package: named, never found by looking around. */
export function addonLoader(file: string, own: Ours = ours): LoadModule {
  const known = new Set(own.names('manifest'));
  return (name, part) =>
    known.has(name) ? own.load(name, part) : import(pathToFileURL(fileOf(name, part, file)).href);
}

/** What a module is for. */
export const defaultOf = (module: unknown): unknown => (module as { default?: unknown }).default;
