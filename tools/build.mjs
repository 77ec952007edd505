// `npm run build`: what ships, into dist/ (or `--out DIR`). dist/ is the npm package; dist/bin holds, beside the
// launcher, one bundled file each for the two programs of a device; the artifact tool is one file too; dist/web the pages.
// `--device`: only what the Debian package of a device is made of.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { bundleArtifact, bundleDevice } from './bundle.mjs';
import { buildWeb, node, root } from './setup.mjs';

const { values } = parseArgs({
  options: { out: { type: 'string' }, 'no-web': { type: 'boolean' }, device: { type: 'boolean' } },
});
const out = values.out ? resolve(values.out) : join(root, 'dist');
const rooms = ['base', 'proto', 'artifact', 'addons', 'client', 'connect', 'server', 'cli'];

if (values.device) await buildDevice();
else await buildAll();

async function buildDevice() {
  mkdirSync(join(out, 'bin'), { recursive: true });
  copyAssets('client');
  cpSync(join(root, 'bin', 'patchbay-device'), join(out, 'bin', 'patchbay-device'));
  await bundleDevice(root, join(out, 'bin'));
}

async function buildAll() {
  for (const room of [...rooms, 'bin']) rmSync(join(out, room), { recursive: true, force: true });
  mkdirSync(join(out, 'bin'), { recursive: true });
  compile();
  for (const room of rooms) copyAssets(room);
  for (const file of ['patchbay.js', 'patchbay-device', 'child.js', 'device.js'])
    cpSync(join(root, 'bin', file), join(out, 'bin', file));
  for (const file of ['README.md', 'LICENSE'])
    if (existsSync(join(root, file))) cpSync(join(root, file), join(out, file));
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(manifest(), null, 2)}\n`);
  await bundleDevice(root, join(out, 'bin'));
  await bundleArtifact(root, out);
  if (!values['no-web']) {
    buildWeb();
    if (values.out) cpSync(join(root, 'dist', 'web'), join(out, 'web'), { recursive: true });
  }
}

function compile() {
  const tsc = [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json', '--outDir', out];
  const { status } = spawnSync(node, tsc, { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

/** Scripts and data that the rooms load at run time; what only tests or readers use stays behind. */
function copyAssets(/** @type {string} */ room) {
  if (!existsSync(join(root, room))) return;
  for (const entry of readdirSync(join(root, room), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /\.(tsx?|md)$/.test(entry.name)) continue;
    const source = join(entry.parentPath, entry.name);
    const path = source.slice(root.length + 1);
    if (!/(^|\/)(golden|fixtures|rig|__snapshots__)\//.test(path)) cpSync(source, join(out, path));
  }
}

/** The package's manifest: the same doors, pointing at built files, and only what runs. */
function manifest() {
  const source = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const { name, version, description, license, type, bin, dependencies, engines, allowScripts } = source;
  const doors = Object.entries(source.imports).map(([door, file]) => [door, file.replace(/\.ts$/, '.js')]);
  const exports = {
    './addon/*': './addons/contract/*.js',
    './proto': './proto/index.js',
    './package.json': './package.json',
  };
  return {
    name,
    version,
    description,
    license,
    type,
    bin,
    imports: Object.fromEntries(doors),
    exports,
    dependencies,
    engines,
    allowScripts,
  };
}
