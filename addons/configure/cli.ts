import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { CodedError, messageOf } from '#base/errors';
import { defineCli, type CliHost } from '#addon/cli';
import manifest from './manifest.ts';
import * as show from './printing.ts';
import { Target, type Where } from './target.ts';

type Host = CliHost<typeof manifest>;

const examples = `
Examples:
  patchbay config set --group hall timezone=Europe/Berlin --deploy   for a group, and sent at once
  patchbay config get pump-7                                         what a device is to have, why, and what it has
  patchbay config get pump-7 timezone                                one value, for a script
  patchbay config set --group hall --file hall.json                  settings of a file, {"KEY": "VALUE"}
  patchbay config diff --fleet                                       devices that have something else
  patchbay config history --group hall                               who changed what, when
  patchbay config revert --group hall --deploy                       takes the last change back

Of a setting that is given several times the nearest wins: the device's own, then those of its groups (the higher priority,
then the name that comes first), then those of the fleet. Nothing reaches a device before it is sent: --deploy, or
patchbay config deploy.`;

export default defineCli(manifest, {
  config(command, host) {
    command.addHelpText('after', examples);
    sub(command, 'get', 'Show settings: of a device also what it has, and where each comes from.')
      .argument(
        '[words...]',
        'DEVICE, unless --group or --fleet is given, then keys; of one key only the value is printed',
      )
      .action(async (words: string[], where: Where) => {
        const { target, rest } = await Target.find(host, where, words);
        show.settings(host, target, await target.get(), rest);
      });
    changing(command, 'set', 'Give settings.')
      .argument('[words...]', 'DEVICE, unless --group or --fleet is given, then KEY=VALUE …')
      .option('--file <file>', 'those of a JSON file, {"KEY": "VALUE"}; - for standard input')
      .option('--priority <n>', 'of a group: the higher one wins', whole)
      .action(async (words: string[], where: Where & { file?: string; priority?: number; deploy?: true }) => {
        const { file, priority } = where;
        const given = file === undefined ? {} : settingsOf(file, parse(file, await contentOf(host, file)));
        const { target, rest } = await Target.find(host, where, words);
        const set = { ...given, ...pairs(rest) };
        if (Object.keys(set).length === 0 && priority === undefined) throw usage('name what to set: KEY=VALUE');
        await target.patch({ set, ...(priority === undefined ? {} : { priority }) });
        await after(host, target, where);
      });
    changing(command, 'unset', 'Give settings no longer: what lies below them holds again.')
      .argument('[words...]', 'DEVICE, unless --group or --fleet is given, then keys')
      .action(async (words: string[], where: Where & { deploy?: true }) => {
        const { target, rest } = await Target.find(host, where, words);
        if (rest.length === 0) throw usage('name the keys to unset');
        await target.patch({ unset: rest });
        await after(host, target, where);
      });
    sub(command, 'diff', 'Show what devices report that differs from what they are to have, and since when.')
      .argument('[device]', 'id, name or a unique prefix of it')
      .action(async (device: string | undefined, where: Where) => {
        const { target } = await Target.find(host, where, device === undefined ? [] : [device]);
        show.drift(host, await target.drift());
      });
    sub(command, 'history', 'Show who changed what, and when; the newest first.')
      .argument('[device]', 'id, name or a unique prefix of it')
      .option('--limit <n>', 'no more than these', whole, 20)
      .action(async (device: string | undefined, where: Where & { limit: number }) => {
        const { target } = await Target.find(host, where, device === undefined ? [] : [device]);
        show.history(host, await target.history(where.limit));
      });
    changing(command, 'revert', 'Take the last change back, or go back to a revision of the history.')
      .argument('[words...]', 'DEVICE, unless --group or --fleet is given, then the revision')
      .action(async (words: string[], where: Where & { deploy?: true }) => {
        const { target, rest } = await Target.find(host, where, words);
        await target.revert(rest[0] === undefined ? undefined : whole(rest[0]));
        await after(host, target, where);
      });
    sub(command, 'deploy', 'Send the settings to the devices that do not have them.')
      .argument('[device]', 'id, name or a unique prefix of it')
      .action(async (device: string | undefined, where: Where) => {
        const { target } = await Target.find(host, where, device === undefined ? [] : [device]);
        if (!show.sent(host, await target.deploy())) host.exit(1);
      });
    command
      .command('schema')
      .description('Show what settings there may be, or say it: a JSON Schema, - for standard input.')
      .argument('[file]', 'a JSON file')
      .action(async (file: string | undefined) => {
        const schema = file === undefined ? undefined : parse(file, await contentOf(host, file));
        const answer = await Target.schema(host, schema);
        if (answer !== undefined) host.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
      });
  },
});

const sub = (command: Command, name: string, description: string): Command =>
  command
    .command(name)
    .description(description)
    .option('--group <group>', 'of a group of devices')
    .option('--fleet', 'of all devices');
const changing = (command: Command, name: string, description: string): Command =>
  sub(command, name, description).option('--deploy', 'and send them to the devices that do not have them');

/** Says where that leaves them; a change that is not sent yet is no surprise then. */
async function after(host: Host, target: Target, { deploy }: { deploy?: true }): Promise<void> {
  if (deploy) {
    if (!show.sent(host, await target.deploy())) host.exit(1);
  } else if (host.json) host.stdout.write(`${JSON.stringify(await target.get(), null, 2)}\n`);
  else host.stderr.write(`stored; send it with: patchbay config deploy ${target.words}\n`);
}

function pairs(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      if (at < 1) throw usage(`${word}: KEY=VALUE is wanted`);
      return [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

const contentOf = async (host: Host, file: string): Promise<string> => {
  if (file !== '-')
    return await readFile(file, 'utf8').catch((error: unknown) => {
      throw new CodedError('failed', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
    });
  let text = '';
  for await (const piece of host.stdin.setEncoding('utf8')) text += String(piece);
  return text;
};

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new CodedError('failed', `${file}: no JSON`, { cause: error });
  }
}

/** What a file says: also what `config get --json` printed of a place. */
function settingsOf(file: string, content: unknown): Record<string, string> {
  const outer = content as { values?: unknown } | null;
  const map = typeof outer?.values === 'object' ? outer.values : content;
  if (typeof map !== 'object' || map === null || Array.isArray(map))
    throw new CodedError('failed', `${file}: an object is wanted, {"KEY": "VALUE"}`);
  for (const [key, value] of Object.entries(map))
    if (typeof value !== 'string')
      throw new CodedError('failed', `${file}: ${key}: values are texts: write "${String(value)}"`);
  return map as Record<string, string>;
}

function whole(given: string): number {
  const number = Number(given);
  if (!Number.isInteger(number) || given.trim() === '') throw usage(`${given}: a whole number is wanted`);
  return number;
}

const usage = (message: string): CodedError => new CodedError('usage', message);
