// One file a program for devices: no type stripping, no directory of small files, nothing that only a server needs.
import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';

/** Loaded at run time if there at all: node-pty is native, the others are optional speed-ups that their users probe for. */
const external = ['node-pty', 'bufferutil', 'utf-8-validate', 'usocket', 'x11'];

/**
 * @param {string} root the checkout
 * @param {string} out where client.js and connect.js go
 */
export async function bundleDevice(root, out) {
  const { rolldown } = await import('rolldown');
  for (const program of ['client', 'connect']) {
    if (!existsSync(join(root, program, 'main.ts'))) continue;
    const bundle = await rolldown({
      input: `\0entry:${program}`,
      cwd: root,
      platform: 'node',
      external,
      plugins: [entry(root, program)],
      logLevel: 'warn',
    });
    await bundle.write({ file: join(out, `${program}.js`), format: 'esm', codeSplitting: false, minify: true });
    await bundle.close();
  }
  shipPty(root, join(out, 'node_modules', 'node-pty'));
}

/** The program's own beginning, which in the package is the launcher's work. */
function entry(/** @type {string} */ root, /** @type {string} */ program) {
  const id = `\0entry:${program}`;
  return {
    name: 'entry',
    resolveId: (/** @type {string} */ source) => (source === id ? id : null),
    load: (/** @type {string} */ source) =>
      source === id
        ? `import { main } from ${JSON.stringify(join(root, program, 'main.ts'))};
           main(process.argv.slice(2)).then((code) => process.exit(code), (error) => {
             console.error(process.argv.includes('--verbose') ? error : \`patchbay: \${error.message}\`);
             process.exit(1);
           });`
        : null,
  };
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
