import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { failed } from '../failure.ts';

/** How the programs of this installation are started: arguments for Node. */
export interface Programs {
  readonly root: string;
  readonly node: string;
  /** The one program, for what is not a device. */
  readonly patchbay: readonly string[];
  readonly client: readonly string[];
  readonly connect: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** As `process.env`. */
export type GivenEnvironment = Readonly<Record<string, string | undefined>>;

/** The checkout's, or the package's, programs; `built`: the bundles that devices get in place of the sources. */
export function findPrograms(built: boolean, given: GivenEnvironment): Programs {
  const root = packageRoot();
  const launcher = join(root, 'bin', 'patchbay.js');
  const environment = cleanEnvironment(root, given);
  const common = { root, node: process.execPath, patchbay: [launcher], environment };
  if (!built) return { ...common, client: [launcher, 'client'], connect: [launcher, 'connect'] };
  const bundle = (name: string) => {
    // In the package they lie beside the launcher, in a checkout where the build puts the package.
    const places = [join(root, 'bin', `${name}.js`), join(root, 'dist', 'bin', `${name}.js`)];
    const found = places.find((place) => existsSync(place));
    if (!found) throw failed(`${places[1]} is not there: run 'npm run build' first`);
    return [found];
  };
  return { ...common, client: bundle('client'), connect: bundle('connect') };
}

function packageRoot(): string {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    const manifest = join(at, 'package.json');
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'patchbay') {
      return at;
    }
    if (dirname(at) === at) throw failed('this installation is incomplete: its package.json is missing');
  }
}

/**
 * The environment of the demo's processes: what the person has set for his own Patchbay or Mender is none of theirs.
 * Node keeps what it compiled: two or three times quicker from the second start on.
 */
function cleanEnvironment(root: string, given: GivenEnvironment): Record<string, string> {
  const kept = Object.entries(given).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && !/^(PATCHBAY|MENDER|DBUS|NODE_OPTIONS|VITEST|XDG_CONFIG)/.test(entry[0]),
  );
  const modules = join(root, 'node_modules');
  const compiled = existsSync(modules) ? { NODE_COMPILE_CACHE: join(modules, '.cache', 'patchbay') } : {};
  return { PATH: '/usr/bin:/bin', ...Object.fromEntries(kept), ...compiled };
}
