// Makes a clone ready to run: packages from the registry, programs of the system, the built web pages. What is there
// already is left alone, so that a second run costs nothing. Plain JavaScript without packages: it runs before them.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { provide } from './system.mjs';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..');
/** The Node 26 that the package brings, whatever Node the machine has. */
export const node = join(root, 'node_modules', '.bin', 'node');
const modules = join(root, 'node_modules');
const say = (/** @type {string} */ line) => process.stderr.write(`patchbay: ${line}\n`);

/** @param {'demo' | 'test'} use */
export async function setup(use) {
  if (Number.parseInt(process.versions.node, 10) < 20)
    fail(`needs Node 20 or newer to start; this is ${process.version}`);
  await oneAtATime(() => {
    installPackages();
    flattenPackages();
    if (!provide(use, say)) process.exit(1);
    buildWeb();
  });
}

/** Two terminals may start at once: the second waits until the first has finished. */
async function oneAtATime(/** @type {() => void} */ work) {
  const lock = join(root, '.setup.lock');
  for (let told = false; ; told = true) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    if (!held(lock)) rmSync(lock, { force: true });
    else {
      if (!told) say('another setup is at work here; waiting for it …');
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  const release = () => rmSync(lock, { force: true });
  process.once('exit', release);
  try {
    work();
  } finally {
    release();
    process.off('exit', release);
  }
}

function held(/** @type {string} */ lock) {
  try {
    const pid = Number(readFileSync(lock, 'utf8'));
    if (pid > 0) process.kill(pid, 0);
    return pid > 0 || Date.now() - statSync(lock).mtimeMs < 5000; // it may just be being written
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === 'EPERM';
  }
}

function installPackages() {
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) return; // another checkout's, looked after there
  const lockFile = join(root, 'package-lock.json');
  const stamp = join(modules, '.patchbay-setup');
  const wanted = createHash('sha256').update(readFileSync(lockFile)).update(process.arch).digest('hex');
  const byHand = join(modules, '.package-lock.json');
  if (existsSync(node)) {
    if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
    if (!existsSync(stamp) && existsSync(byHand) && mtime(byHand) >= mtime(lockFile)) return;
  }
  say('installing packages (about a minute) …');
  const start = Date.now();
  // `npm run` puts node_modules/.bin first on PATH; npm must not run on the very Node that it is about to replace.
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.endsWith('node_modules/.bin'));
  const npm = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: path.join(delimiter) },
  });
  if (npm.status !== 0) {
    const words = `${npm.error?.message ?? ''}${npm.stdout ?? ''}${npm.stderr ?? ''}`.trim();
    fail(`npm ci failed:\n${words.split('\n').slice(-20).join('\n')}`);
  }
  if (!existsSync(node))
    fail('npm ci installed no Node 26: allow the install script of the package "node" and try again');
  writeFileSync(stamp, wanted);
  say(`packages installed in ${seconds(start)}`);
}

/** See `flat.mjs`; a second time it finds nothing to do. */
function flattenPackages() {
  if (lstatSync(modules).isSymbolicLink()) return;
  const flat = spawnSync(node, [join(root, 'tools', 'flat.mjs'), modules], { encoding: 'utf8' });
  if (flat.status !== 0)
    say(
      `packages stay as they came, programs start slower: ${`${flat.stdout}${flat.stderr}`.trim().split('\n').at(-1)}`,
    );
}

/** The pages are built when any source that they are made of is newer than the last build's beginning. */
export function buildWeb({ always = false } = {}) {
  const config = join(root, 'web', 'vite.config.ts');
  if (!existsSync(config)) return;
  const stamp = join(root, 'dist', '.web-built');
  const sources = ['web', 'addons', 'proto', 'package-lock.json'].map((name) => join(root, name));
  if (!always && existsSync(join(root, 'dist', 'web', 'index.html')) && newest(sources) <= mtime(stamp)) return;
  say('building the web pages …');
  const start = Date.now();
  const vite = spawnSync(
    node,
    [join(modules, 'vite', 'bin', 'vite.js'), 'build', '--config', config, '--logLevel', 'warn'],
    {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, NO_COLOR: '1' },
    },
  );
  if (vite.status !== 0) fail(`the web pages do not build:\n${`${vite.stdout}${vite.stderr}`.trim()}`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, '');
  utimesSync(stamp, start / 1000, start / 1000);
  say(`web pages built in ${seconds(start)}`);
}

/** @returns {number} the latest change below these paths, ms since 1970 */
function newest(/** @type {string[]} */ paths) {
  let latest = 0;
  for (const path of paths) {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (!stat) continue;
    latest = Math.max(latest, stat.mtimeMs);
    if (stat.isDirectory()) latest = Math.max(latest, newest(readdirSync(path).map((name) => join(path, name))));
  }
  return latest;
}

const mtime = (/** @type {string} */ path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
const seconds = (/** @type {number} */ since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

/** @returns {never} */
function fail(/** @type {string} */ line) {
  say(line);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await setup(process.argv[2] === 'demo' ? 'demo' : 'test');
