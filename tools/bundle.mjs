// One file a program for devices: no type stripping, no directory of small files, nothing that only a server needs.
// CommonJS: an ES module that imports node:http makes Node load HTTP/2, workers and fetch with it, used or not.
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Loaded at run time if there at all: node-pty is native, the others are optional speed-ups that their users probe for. */
const external = ['node-pty', 'bufferutil', 'utf-8-validate', 'usocket', 'x11', 're2js'];

/**
 * @param {string} root the checkout
 * @param {string} out where client.cjs, connect.cjs and device.cjs go
 */
export async function bundleDevice(root, out) {
  for (const program of Object.keys(beginnings(root))) await bundleProgram(root, out, program);
  shipPty(root, join(out, 'node_modules', 'node-pty'));
  await shipAlone(root, 're2js', ['RE2JS'], join(out, 'node_modules', 're2js'));
}

/**
 * Pieces of a program that is all of a device, each a file. V8 keeps in memory what it needed to parse the largest file that it was
 * given: read in one piece the program takes 3 MiB more, for as long as it runs.
 */
const pieces = [
  { name: 'ajv', test: /node_modules.(ajv|fast-uri)/ },
  { name: 'typebox', test: /node_modules.typebox/ },
  { name: 'packages', test: /node_modules/ },
  { name: 'client', test: /[\\/]client[\\/]/ },
  { name: 'addons', test: /[\\/]addons[\\/]/ },
];

/**
 * One of these programs, without what it loads only at times: `PROGRAM.cjs`, and what that loads in the folder `PROGRAM`.
 * @param {string} root the checkout
 * @param {string} out the folder
 * @param {string} program
 */
export async function bundleProgram(root, out, program) {
  const { rolldown } = await import('rolldown');
  const bundle = await rolldown({
    input: `\0${program}`,
    cwd: root,
    platform: 'node',
    external,
    resolve: { alias: { xml2js: join(root, 'tools', 'small-xml.cjs') } },
    plugins: [beginning(`\0${program}`, beginnings(root)[program] ?? [])],
    logLevel: 'warn',
  });
  const { output } = await bundle.write({
    dir: out,
    entryFileNames: `${program}.cjs`,
    chunkFileNames: `${program}/[name].cjs`,
    format: 'cjs',
    codeSplitting: program === 'device' ? { groups: pieces } : false,
    minify: true,
  });
  await bundle.close();
  for (const { fileName } of output) escapeNonAscii(join(out, fileName));
}

/**
 * The artifact tool as one module, which the launcher loads: in build scripts it is started often, and looking up some 500 small
 * files takes longer than a small artifact does.
 * @param {string} root the checkout
 * @param {string} out the package, in place of whose `cli/artifact/main.js` it goes
 */
export async function bundleArtifact(root, out) {
  const { rolldown } = await import('rolldown');
  const input = join(root, 'cli', 'artifact', 'main.ts');
  const bundle = await rolldown({ input, cwd: root, platform: 'node', logLevel: 'warn' });
  const file = join(out, 'cli', 'artifact', 'main.js');
  await bundle.write({ file, format: 'esm', codeSplitting: false, minify: true });
  await bundle.close();
}

/** One character beyond Latin-1, and V8 keeps the whole source in two bytes a character. */
function escapeNonAscii(/** @type {string} */ file) {
  const escape = (/** @type {string} */ unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/[^\0-\x7f]/g, escape));
}

/** What each program begins with: in the package that is the launcher's work. */
function beginnings(/** @type {string} */ root) {
  const take = (/** @type {string} */ what, /** @type {string} */ file) =>
    `import { ${what} } from ${JSON.stringify(join(root, file))};`;
  const tidy = `${take('tidy', 'bin/tidy.js')} tidy();`;
  const run = (/** @type {string} */ call) => `${call}.then((code) => process.exit(code), (error) => {
    console.error(process.argv.includes('--verbose') ? error : \`patchbay: \${error.message}\`);
    process.exit(1);
  });`;
  const client = take('main as client', 'client/main.ts');
  const connect = `${take('main as connect', 'connect/main.ts')}\n${addOns(root)}`;
  const own = Object.entries(programsOfAddOns(root)).map(([name, file]) => [name, [`import ${JSON.stringify(file)};`]]);
  return {
    ...Object.fromEntries(own),
    client: [tidy, client, run('client(process.argv.slice(2))')],
    connect: [tidy, connect, run('connect(process.argv.slice(2), ours)')],
    device: [
      tidy,
      client,
      connect,
      take('main', 'bin/device.js'),
      run('main(process.argv.slice(2), { client, connect: (args) => connect(args, ours) })'),
    ],
  };
}

function beginning(/** @type {string} */ id, /** @type {string[]} */ lines) {
  return {
    name: 'beginning',
    resolveId: (/** @type {string} */ source) => (source === id ? id : null),
    load: (/** @type {string} */ source) => (source === id ? lines.join('\n') : null),
  };
}

/** Small programs that an add-on has on the device beside its half: `addons/NAME/programs/PROGRAM.ts`. */
export function programsOfAddOns(/** @type {string} */ root) {
  const files = readdirSync(join(root, 'addons')).flatMap((name) => {
    const folder = join(root, 'addons', name, 'programs');
    return existsSync(folder) ? readdirSync(folder).map((file) => [file.replace(/\.ts$/, ''), join(folder, file)]) : [];
  });
  return Object.fromEntries(files);
}

/** A bundler cannot follow the computed import by which connect loads an add-on, so it is given this table instead. */
function addOns(/** @type {string} */ root) {
  const parts = readdirSync(join(root, 'addons'))
    .filter((name) => name !== 'contract')
    .flatMap((name) =>
      ['manifest', 'device'].map((part) => ({ name, part, file: join(root, 'addons', name, `${part}.ts`) })),
    )
    .filter(({ file }) => existsSync(file));
  const rows = parts.map(({ name, part, file }) => `'${name}/${part}': () => import(${JSON.stringify(file)}),`);
  return `const table = {\n${rows.join('\n')}\n};
const ours = {
  names: (part) => Object.keys(table).filter((key) => key.endsWith('/' + part)).map((key) => key.split('/')[0]).sort(),
  load: (name, part) =>
    table[\`\${name}/\${part}\`]?.() ?? Promise.reject(new Error(\`there is no built-in add-on \${name}\`)),
};`;
}

/**
 * @param {string} root
 * @param {string} name of the package
 * @param {string[]} what of it is used
 * @param {string} to
 */
async function shipAlone(root, name, what, to) {
  const { rolldown } = await import('rolldown');
  const lines = [`export { ${what.join(', ')} } from '${name}';`];
  const plugins = [beginning(`\0${name}`, lines)];
  const bundle = await rolldown({ input: `\0${name}`, cwd: root, platform: 'node', plugins, logLevel: 'warn' });
  const index = 'index.cjs';
  await bundle.write({ file: join(to, index), format: 'cjs', codeSplitting: false, minify: true });
  await bundle.close();
  escapeNonAscii(join(to, index));
  writeFileSync(join(to, 'package.json'), `${JSON.stringify({ name, exports: `./${index}` })}\n`);
}

/** What node-pty needs to run: its JavaScript and the binary that was built for this machine. */
function shipPty(/** @type {string} */ root, /** @type {string} */ to) {
  const from = join(root, 'node_modules', 'node-pty');
  for (const part of ['package.json', 'LICENSE', 'lib', 'build/Release/pty.node', 'build/Release/spawn-helper']) {
    if (!existsSync(join(from, part))) continue;
    cpSync(join(from, part), join(to, part), {
      recursive: true,
      filter: (path) => !/\.(map|test\.js)$|worker|windows/.test(path),
    });
  }
}
