#!/usr/bin/env node
// The one program. It finds the room that a subcommand lives in and loads nothing else. Plain JavaScript, because the
// Node that starts it may be too old for the rest: then it starts itself again with the Node 26 beside it.
import { existsSync, readFileSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { become } from './child.js';

const needed = 26;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** The programs: each its room's module, and whether the room wants to see the word. All else is an operator's command. */
const programs = {
  server: { room: 'server', word: false, summary: 'run the server' },
  user: { room: 'server', word: true, summary: "add or change users on the server's machine" },
  backup: { room: 'server', word: true, summary: "write the server's database and files into one file" },
  restore: { room: 'server', word: true, summary: 'bring a backup into an empty server' },
  client: { room: 'client', word: false, summary: 'the update client of a device' },
  connect: { room: 'connect', word: false, summary: 'the daemon that joins a device to the server' },
  device: { room: 'bin', word: false, summary: 'client and connect in one process' },
  artifact: { room: 'cli/artifact', word: false, summary: 'write, read, sign and check artifacts' },
};

const major = Number.parseInt(process.versions.node, 10);
// A room that returns has finished. What a library may still hold open, such as an idle connection, must not keep us; but
// whoever reads what it wrote may be slow, and gets all of it.
const code = major < needed ? await again() : await launch(process.argv.slice(2));
await Promise.all([written(process.stdout), written(process.stderr)]);
process.exit(code);

/** Resolves when a stream has handed on what it was given, or never will. */
function written(/** @type {NodeJS.WriteStream} */ stream) {
  return stream.writableLength === 0
    ? undefined
    : new Promise((resolve) => void stream.once('close', resolve).write('', resolve));
}

/** Starts this same command with the Node that the package `node` brought. */
async function again() {
  let node;
  try {
    const manifest = nodeModule.createRequire(import.meta.url).resolve('node/package.json');
    if (Number.parseInt(JSON.parse(readFileSync(manifest, 'utf8')).version, 10) >= needed) {
      node = join(dirname(manifest), 'bin', 'node');
    }
  } catch {
    // said below: whether it is missing or broken, the remedy is the same
  }
  if (!node || !existsSync(node)) {
    return fail(`needs Node ${needed} or newer, this is ${process.version}: run npm install in ${root}`);
  }
  return become(node, [...process.execArgv, fileURLToPath(import.meta.url), ...process.argv.slice(2)]);
}

/** @param {string[]} args */
async function launch(args) {
  const [word, ...rest] = args;
  if (word === '--version' || word === '-V' || word === 'version') {
    console.log(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version);
    return 0;
  }
  const verbose = args.includes('--verbose');
  try {
    if (word === undefined || word === '--help' || word === '-h' || (word === 'help' && rest.length === 0)) {
      (word === undefined ? console.error : console.log)(await overview());
      return word === undefined ? 2 : 0;
    }
    if (word === 'help') return await launch([...rest, '--help']);
    const program = Object.hasOwn(programs, word) ? programs[word] : undefined;
    if (word === 'server' || word === 'connect' || word === 'device') {
      forStreams(200);
      forKeys(5000);
    }
    if (word === 'device') return await device(rest);
    if (program) return await (await load(`${program.room}/main`)).main(program.word ? args : rest);
    const { rows, problems } = word.startsWith('-') ? { rows: {}, problems: [] } : await operatorCommands();
    if (!word.startsWith('-') && !Object.hasOwn(rows, word)) {
      // Perhaps it is one of those that could not be asked.
      for (const problem of problems) console.error(`patchbay: add-on not loaded: ${problem}`);
      const like = suggestion(word, [...Object.keys(programs), ...Object.keys(rows)]);
      return fail(`there is no command '${word}'${like}; patchbay --help lists all`, 2);
    }
    // Nobody's memory but the operator's own, and for as long as the command runs.
    forStreams(1000);
    forKeys(1500);
    keepCompiled();
    return await (await load('cli/main')).main(args);
  } catch (error) {
    if (verbose) console.error(error);
    return fail(error instanceof Error ? error.message : String(error));
  }
}

/**
 * What sockets read lies outside V8's heap, but counts: V8 marks the whole heap anew whenever that much has come as it may
 * grow by, which is half the work of a copy. A young generation that stays small is emptied before that, and with it go the
 * bytes that it held; and the less the heap may grow by, the more often something is left that makes it mark all the same.
 * @param {number} percent how much larger than what is in use the heap may become
 */
function forStreams(percent) {
  setFlagsFromString('--semi-space-growth-factor=1');
  setFlagsFromString(`--heap-growing-percent=${percent}`);
}

/**
 * What a key press passes through runs seldom and has left the processor's caches each time. Machine code that has all of its
 * way in one piece needs a third less of them, and V8 would make it after some thousand keys only. What merely starts is not
 * worth that, so it holds for programs that are still there when it has ended.
 * @param {number} started ms
 */
function forKeys(started) {
  setTimeout(() => {
    setFlagsFromString('--invocation-count-for-maglev=10');
    setFlagsFromString('--invocation-count-for-turbofan=60');
    setFlagsFromString('--minimum-invocations-after-ic-update=50');
  }, started).unref();
}

/**
 * An operator's commands start in half the time when Node keeps what it compiled. In a folder of the user's own: Node's
 * usual one lies where others may write.
 */
function keepCompiled() {
  const home = process.env['XDG_CACHE_HOME'] ?? (process.env['HOME'] && join(process.env['HOME'], '.cache'));
  if (home) nodeModule.enableCompileCache(join(home, 'patchbay', 'compiled'));
}

async function device(args) {
  const [both, client, connect] = await Promise.all([import('./device.js'), load('client/main'), load('connect/main')]);
  return await both.main(args, { client: client.main, connect: connect.main });
}

/** The sources run as they stand; in the built package the same places hold JavaScript. */
function load(module) {
  const file = ['.ts', '.js'].map((ending) => join(root, module + ending)).find((path) => existsSync(path));
  if (!file) throw new Error(`this installation lacks ${module}`);
  return import(pathToFileURL(file).href);
}

/** Those of add-ons among them: nothing of an add-on but its list of commands is loaded. */
async function operatorCommands() {
  const [{ loadCommands }, { configFolder }] = await Promise.all([load('cli/commands'), load('cli/config-folder')]);
  return await loadCommands(configFolder(process.env));
}

async function overview() {
  const { rows, problems } = await operatorCommands();
  const width = Math.max(...Object.keys({ ...rows, ...programs }).map((name) => name.length));
  const table = (/** @type {object} */ part) =>
    Object.entries(part)
      .map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`)
      .join('\n');
  return [
    'usage: patchbay COMMAND …',
    `for operators:\n${table(rows)}`,
    `on servers, devices and build machines:\n${table(programs)}`,
    ...(problems.length > 0 ? [`add-ons that could not be loaded:\n  ${problems.join('\n  ')}`] : []),
    'patchbay COMMAND --help tells more about one.',
  ].join('\n\n');
}

function suggestion(word, names) {
  const near = names.filter((name) => name.startsWith(word) || distance(word, name) <= 2);
  return near.length > 0 ? `, did you mean ${near.slice(0, 3).join(' or ')}?` : '';
}

/** Edits that make one word the other (Levenshtein). */
function distance(from, to) {
  let row = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= to.length; j += 1) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (from[i - 1] === to[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[to.length];
}

function fail(line, code = 1) {
  console.error(`patchbay: ${line}`);
  return code;
}
