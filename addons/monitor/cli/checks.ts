import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { CodedError, messageOf } from '#base/errors';
import type { Host } from './host.ts';
import type { CheckLayer, CheckVersion, DeviceChecks } from '../answers.ts';
import type { Check } from '../check.ts';
import { checkTypes } from '../check-fields.ts';
import { idOf, localOf, originOf, reportedId, summaryOf } from '../words.ts';
import { Api } from './api.ts';
import { allFlags, checkFrom, checksFrom } from './check-options.ts';
import { count, usage } from './filter.ts';
import { json } from './printing.ts';

const examples = `
Examples:
  patchbay checks list pump-7                                what it watches, why, and what it refused
  patchbay checks add disk root --path / --percent 80 --group kiosks
  patchbay checks add service cron --fleet
  patchbay checks add log oom --journal '*' --pattern 'Out of memory' --level warning --device pump-7
  patchbay checks get --group kiosks --json > kiosks.json    and back:
  patchbay checks set --group kiosks --file kiosks.json
  patchbay checks except disk_root --device pump-7           not on this one, whatever its groups say
  patchbay checks history --fleet
  patchbay checks revert --fleet                             takes the last change back

Of a check that is given several times the nearest wins: the device's own, then those of its groups (the higher priority,
then the name that comes first), then those of the fleet. Devices fetch their checks by themselves; their owner may refuse.

Types, each with the options that it takes ('patchbay checks add --help' says what they mean):
${[...checkTypes.keys()].map((type) => `  ${type.padEnd(12)}${allFlags(type).join(' ')}`).join('\n')}`;

interface Where {
  readonly device?: string;
  readonly group?: string;
  readonly fleet?: true;
}

/** Checks where they are given, and on a device. */
export function checkCommands(command: Command, host: Host): void {
  command.addHelpText('after', examples);
  command
    .command('list')
    .description('Show the checks of a device: where each comes from, and what the device says of it.')
    .argument('<device>', 'id, name or a unique prefix of it')
    .action(async (device: string) => ofDevice(host, await host.resolveDevice(device)));
  placed(command, 'get', 'Show what is given in one place.').action(async (where: Where) => {
    const { path, words } = await place(host, where);
    given(host, await new Api(host).checks(path), words);
  });
  placed(command, 'set', 'Give a place the checks of a file, in place of those given there before.')
    .requiredOption('--file <file>', 'JSON as `checks get --json` prints it, or a list of checks; - for standard input')
    .option('--priority <n>', 'of a group: the higher one wins', whole)
    .action(async ({ file, priority, ...where }: Where & { file: string; priority?: number }) => {
      const { path, words } = await place(host, where);
      const { checks, without = [], priority: kept } = checksFrom(file, await contentOf(host, file));
      const wins = priority ?? (path.startsWith('groups/') ? kept : undefined);
      await put(host, path, words, { checks, without, ...(wins === undefined ? {} : { priority: wins }) });
    });
  const add = placed(command, 'add', 'Give a place one check more, or another of the same type and name.')
    .argument('[type]', 'what it watches')
    .argument('[name]', 'what it is called')
    .option(
      '--file <path>',
      'of a log or a certificate; without TYPE and NAME a file with checks in JSON, - for standard input',
    );
  for (const [flag, hint] of allFlags()) if (flag !== '--file <path>') add.option(flag, hint);
  add.action(async (type: string | undefined, name: string | undefined, options: Where & Record<string, string>) => {
    const { device, group, fleet, ...fields } = options;
    const { path, words } = await place(host, {
      ...(device === undefined ? {} : { device }),
      ...(group === undefined ? {} : { group }),
      ...(fleet ? { fleet } : {}),
    });
    const more = await added(host, type, name, fields);
    const before = await new Api(host).checks(path);
    const ids = new Set(more.map(idOf));
    await put(host, path, words, {
      checks: [...before.checks.filter((check) => !ids.has(idOf(check))), ...more],
      without: before.without.filter((id) => !ids.has(id)),
    });
  });
  placed(command, 'remove', 'Give checks no longer in this place: what a weaker place gives holds again.')
    .argument('<check...>', 'such as disk_root')
    .action(async (wanted: string[], where: Where) => {
      const { path, words } = await place(host, where);
      const { checks, without } = await new Api(host).checks(path);
      const unknown = wanted.find((id) => !checks.some((check) => idOf(check) === id));
      if (unknown !== undefined)
        throw new CodedError(
          'failed',
          `${words}: ${unknown} is not given there; to keep it away: patchbay checks except`,
        );
      await put(host, path, words, { checks: checks.filter((check) => !wanted.includes(idOf(check))), without });
    });
  placed(command, 'except', 'Do not make checks here that a weaker place gives.')
    .argument('<check...>', 'such as disk_root')
    .option('--undo', 'make them here again')
    .action(async (wanted: string[], { undo, ...where }: Where & { undo?: true }) => {
      const { path, words } = await place(host, where);
      const { checks, without } = await new Api(host).checks(path);
      const others = without.filter((id) => !wanted.includes(id));
      await put(host, path, words, { checks, without: undo ? others : [...others, ...wanted] });
    });
  placed(command, 'history', 'Show who changed what, and when; the newest first.')
    .option('--limit <n>', 'no more than these', count, 20)
    .action(async ({ limit, ...where }: Where & { limit: number }) => {
      const { path } = await place(host, where);
      history(host, await new Api(host).checkHistory(path, Math.min(limit, 100)));
    });
  placed(command, 'revert', 'Take the last change back, or go back to a version of the history.')
    .argument('[version]', 'of the history', count)
    .action(async (version: number | undefined, where: Where) => {
      const { path, words } = await place(host, where);
      const api = new Api(host);
      const [, before] = version === undefined ? await api.checkHistory(path, 2) : [];
      const wanted = version ?? before?.version;
      if (wanted === undefined) throw new CodedError('failed', `${words}: there is nothing before the last change`);
      said(host, words, await api.revertChecks(path, wanted));
    });
}

const placed = (command: Command, name: string, description: string): Command =>
  command
    .command(name)
    .description(description)
    .option('--device <device>', 'of this device: id, name or a unique prefix of it')
    .option('--group <group>', 'of a group of devices')
    .option('--fleet', 'of all devices');

async function place(host: Host, { device, group, fleet }: Where): Promise<{ path: string; words: string }> {
  const given = [device, group, fleet].filter((one) => one !== undefined).length;
  if (given !== 1) throw usage('where? Give one of --device, --group and --fleet');
  if (fleet) return { path: 'fleet', words: '--fleet' };
  if (group !== undefined) return { path: `groups/${encodeURIComponent(group)}`, words: `--group ${group}` };
  const { id, name } = await host.resolveDevice(device ?? '');
  return { path: `devices/${id}`, words: name };
}

async function added(
  host: Host,
  type: string | undefined,
  name: string | undefined,
  fields: Readonly<Record<string, string>>,
): Promise<readonly Check[]> {
  if (type !== undefined && name !== undefined) return [checkFrom(type, name, fields)];
  const { file, ...others } = fields;
  if (type !== undefined || file === undefined)
    throw usage('a type and a name are wanted, such as disk root, or --file');
  if (Object.keys(others).length > 0) throw usage('with a file of checks there are no other options');
  return checksFrom(file, await contentOf(host, file)).checks;
}

async function put(host: Host, path: string, words: string, body: object): Promise<void> {
  said(host, words, await new Api(host).setChecks(path, body));
}

function said(host: Host, words: string, layer: CheckLayer): void {
  if (host.json) json(host, layer);
  else
    host.note(
      `${words}: ${layer.checks.length} check${layer.checks.length === 1 ? '' : 's'}, version ${layer.version}`,
    );
}

function given(host: Host, layer: CheckLayer, words: string): void {
  if (host.json) return json(host, layer);
  const { checks, without } = layer;
  host.list(
    [
      ...checks.map((check) => ({ id: idOf(check), what: summaryOf(check) })),
      ...without.map((id) => ({ id, what: 'not made here' })),
    ],
    [
      { head: 'CHECK', of: ({ id }) => id, paint: (cell) => host.paint('bold', cell) },
      { head: 'WHAT', of: ({ what }) => what },
    ],
    `${words}: no checks are given there`,
  );
}

function ofDevice(host: Host, { id, name }: { id: string; name: string }): Promise<void> {
  return new Api(host).deviceChecks(id).then((whole) => {
    if (host.json) return json(host, whole);
    host.list(
      rowsOf(whole),
      [
        { head: 'CHECK', of: (row) => row.id, paint: (cell) => host.paint('bold', cell) },
        { head: 'WHAT', of: ({ what }) => what },
        { head: 'FROM', of: ({ from }) => from },
        {
          head: 'ON THE DEVICE',
          of: ({ state }) => state,
          paint: (cell, { bad }) => (bad ? host.paint('red', cell) : cell),
        },
      ],
      `${name}: no checks, and it reports none`,
    );
    host.note(`${name}: ${standOf(whole)}`);
  });
}

interface Row {
  readonly id: string;
  readonly what: string;
  readonly from: string;
  readonly state: string;
  readonly bad: boolean;
}

/** What it is asked for, and after that what it watches besides. */
function rowsOf({ checks, reported }: DeviceChecks): Row[] {
  const asked = checks.map(({ id, check, origin, overrides, applied, refused }): Row => {
    const beaten = overrides.length > 0 ? ` (over ${overrides.map(originOf).join(', ')})` : '';
    const state =
      applied === 'unknown' ? 'not reported yet' : applied === 'refused' ? `refused: ${refused ?? ''}` : applied;
    return { id, what: summaryOf(check), from: originOf(origin) + beaten, state, bad: applied === 'refused' };
  });
  const own = localOf({ checks, reported }).map(({ name, type, status, refused }): Row => {
    const what = refused === undefined ? status : `${status}: ${refused}`;
    return { id: reportedId({ type, name }), what: type, from: 'local', state: what, bad: refused !== undefined };
  });
  return [...asked, ...own];
}

function standOf({ version, given_version: has, asked_ts: asked, reported_ts: reported }: DeviceChecks): string {
  const fetched =
    asked === undefined
      ? 'it never asked for its checks'
      : has === version
        ? `it has the newest (asked ${asked})`
        : `it has older ones (asked ${asked})`;
  return `version ${version}, ${fetched}${reported === undefined ? '' : `, reported ${reported}`}`;
}

function history(host: Host, versions: readonly CheckVersion[]): void {
  if (host.json) return json(host, versions);
  if (versions.length === 0) return host.note('nothing was ever given');
  for (const { version, ts, by, reverts, added = [], changed = [], removed = [] } of versions) {
    const back = reverts === undefined ? '' : `, back to ${reverts}`;
    host.stdout.write(`${version}  ${ts}  ${host.plain(by) || '-'}${back}\n`);
    for (const [mark, ids] of [
      ['+', added],
      ['~', changed],
      ['-', removed],
    ] as const)
      for (const id of ids) host.stdout.write(`   ${mark} ${host.plain(id)}\n`);
  }
}

async function contentOf(host: Host, file: string): Promise<string> {
  if (file !== '-')
    return await readFile(file, 'utf8').catch((error: unknown) => {
      throw new CodedError('failed', `cannot read ${file}: ${messageOf(error)}`, { cause: error });
    });
  let text = '';
  for await (const piece of host.stdin.setEncoding('utf8')) text += String(piece);
  return text;
}

function whole(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || text.trim() === '') throw usage(`${text}: a whole number is wanted`);
  return number;
}
