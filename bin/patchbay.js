#!/usr/bin/env node
// The one program. It finds the room that a subcommand lives in and loads nothing else. Plain JavaScript, because the
// Node that starts it may be too old for the rest: then it starts itself again with the Node 26 beside it.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { become } from './child.js';

const needed = 26;
const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Subcommand → its room's module, whether the room still wants to see the word, and a line of help. */
const commands = {
  demo: {
    room: 'cli',
    word: true,
    help: 'server and virtual devices on this machine, to look at (--check: try it all)',
  },
  server: { room: 'server', word: false, help: 'run the server' },
  user: { room: 'server', word: true, help: "add or change users on the server's machine" },
  backup: { room: 'server', word: true, help: 'save database and artifacts of a running server' },
  restore: { room: 'server', word: true, help: 'put a backup in place' },
  client: { room: 'client', word: false, help: 'the update client of a device' },
  connect: { room: 'connect', word: false, help: 'the daemon that joins a device to the server' },
  device: { room: 'device', word: false, help: 'client and connect in one process' },
  artifact: { room: 'cli/artifact', word: false, help: 'write, read, sign and check artifacts' },
  login: { room: 'cli', word: true, help: 'log in to a server' },
  logout: { room: 'cli', word: true, help: 'forget the login' },
  devices: { room: 'cli', word: true, help: 'list, accept and reject devices' },
  groups: { room: 'cli', word: true, help: 'list groups and put devices into them' },
  releases: { room: 'cli', word: true, help: 'list and upload releases' },
  deploy: { room: 'cli', word: true, help: 'deploy a release and watch it finish' },
  deployments: { room: 'cli', word: true, help: 'list deployments, read their logs' },
  config: { room: 'cli', word: true, help: 'configure devices' },
  alerts: { room: 'cli', word: true, help: 'what monitors report' },
  audit: { room: 'cli', word: true, help: 'who did what' },
  users: { room: 'cli', word: true, help: 'manage users over the network' },
  terminal: { room: 'cli', word: true, help: 'open a shell on a device' },
  forward: { room: 'cli', word: true, help: 'forward ports to a device' },
  cp: { room: 'cli', word: true, help: 'copy files to and from a device' },
  run: { room: 'cli', word: true, help: 'run a command on devices' },
};

const major = Number.parseInt(process.versions.node, 10);
// A room that returns has finished. What a library may still hold open, such as an idle connection, must not keep us.
process.exit(major < needed ? await again() : await launch(process.argv.slice(2)));

/** Starts this same command with the Node that the package `node` brought. */
async function again() {
  let node;
  try {
    const manifest = createRequire(import.meta.url).resolve('node/package.json');
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
  if (word === undefined || word === '--help' || word === '-h' || (word === 'help' && rest.length === 0)) {
    (word === undefined ? console.error : console.log)(overview());
    return word === undefined ? 2 : 0;
  }
  if (word === 'help') return launch([...rest, '--help']);
  const command = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (!command) return fail(`there is no command '${word}'${suggestion(word)}; patchbay --help lists all`, 2);
  try {
    if (command.room === 'device') return await (await load('connect/device')).main(rest);
    return await (await load(`${command.room}/main`)).main(command.word ? args : rest);
  } catch (error) {
    if (args.includes('--verbose')) console.error(error);
    return fail(error instanceof Error ? error.message : String(error));
  }
}

/** The sources run as they stand; in the built package the same places hold JavaScript. */
function load(module) {
  const file = ['.ts', '.js'].map((ending) => join(root, module + ending)).find((path) => existsSync(path));
  if (!file) throw new Error(`this installation lacks ${module}`);
  return import(pathToFileURL(file).href);
}

function overview() {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(([name, { help }]) => `  ${name.padEnd(width)}  ${help}`);
  return `usage: patchbay COMMAND …\n\n${lines.join('\n')}\n\npatchbay COMMAND --help tells more about one.`;
}

function suggestion(word) {
  const near = Object.keys(commands).filter((name) => name.startsWith(word) || distance(word, name) <= 2);
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
