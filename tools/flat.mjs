// Packages of hundreds of small modules, made into a few files where they are installed. Each start of a program loads them,
// and to find and read 370 files takes longer than all the rest of a short command does.
// The `node_modules` is the first argument.
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { rolldown } from 'rolldown';

const packages = ['typebox', 'kysely'];

/** What Node loads of a package then; bundlers, which shake off what is not used, take the modules as they came. */
const flat = 'flat';

for (const name of packages) await flatten(join(resolve(process.argv[2] ?? 'node_modules'), name));

/** Nothing is done to a package that is flat already. */
async function flatten(/** @type {string} */ folder) {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return;
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  if (manifest.exports['.'].default?.startsWith(`./${flat}/`)) return;
  /** @type {Record<string, string>} */
  const entries = {};
  for (const [door, target] of Object.entries(manifest.exports)) {
    const source = typeof target === 'string' ? target : (target.import ?? target.default);
    const entry = door === '.' ? 'index' : door.slice(2).replaceAll('/', '-');
    entries[entry] = join(folder, source);
    const types = source.replace(/\.(m?)js$/, '.d.$1ts');
    manifest.exports[door] = { types, module: source, default: `./${flat}/${entry}.mjs` };
  }
  const bundle = await rolldown({ input: entries, platform: 'node', logLevel: 'warn' });
  const fresh = join(folder, `${flat}.${process.pid}`);
  await bundle.write({ dir: fresh, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: 'shared-[hash].mjs' });
  await bundle.close();
  // The manifest last, and whole: whoever looks meanwhile finds the package as it came.
  writeFileSync(`${file}.${process.pid}`, `${JSON.stringify(manifest, null, 2)}\n`);
  rmSync(join(folder, flat), { recursive: true, force: true });
  renameSync(fresh, join(folder, flat));
  renameSync(`${file}.${process.pid}`, file);
}
