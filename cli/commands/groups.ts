import type { Command } from 'commander';
import type { Group } from '#proto/http/groups';
import { groupsPath } from '#proto/http/paths';
import type { FilterTerm, InventoryDevice } from '#proto/http/devices';
import type { Context } from '../context.ts';
import { usage } from '../failure.ts';
import { findDevices } from '../find-device.ts';
import { fleetDevice } from '../fleet.ts';
import { plain } from '../io.ts';
import { nested, pathOf, readGroup, readGroups, termsOf } from '../groups.ts';
import { all, pages } from '../paging.ts';
import { confirm } from '../prompt.ts';

const filterHelp = '[SCOPE/]NAME=VALUE (or != > >= < <= ~): devices for which all hold are in it; may be repeated';
const several = (text: string, before: string[] = []): string[] => [...before, text];

export default function groups(command: Command, context: Context): void {
  command
    .command('list', { isDefault: true })
    .summary('list groups (what `patchbay groups` does)')
    .description('List groups, those that are shown in another below it.')
    .action(() => list(context));
  command
    .command('show')
    .description('Show the devices of a group.')
    .argument('<group>')
    .option('--nested', 'also those of the groups shown in it')
    .action((name: string, options: { nested?: boolean }) => show(context, name, options));
  command
    .command('create')
    .description('Make a group: with --filter a dynamic one, which finds its devices by itself.')
    .argument('<group>', 'letters, digits, "_" and "-"')
    .option('--filter <term>', filterHelp, several)
    .option('--in <group>', 'the group to show it in')
    .option('--description <text>', 'what it is for')
    .action((name: string, options: Properties) => create(context, name, options));
  command
    .command('set')
    .description('Describe a group, show it in another, or change what a dynamic one finds.')
    .argument('<group>')
    .option('--filter <term>', filterHelp, several)
    .option('--in <group>', 'the group to show it in; "" for none')
    .option('--description <text>', 'what it is for')
    .action((name: string, options: Properties) => change(context, name, options));
  command
    .command('add')
    .description('Add devices to a group; they stay in their others.')
    .argument('<group>')
    .argument('<device...>', 'ids, names or unique prefixes')
    .action((name: string, devices: string[]) => members(context, 'PATCH', name, devices));
  command
    .command('remove')
    .description('Take devices out of a group.')
    .argument('<group>')
    .argument('<device...>', 'ids, names or unique prefixes')
    .action((name: string, devices: string[]) => members(context, 'DELETE', name, devices));
  command
    .command('delete')
    .description('Delete a group. Its devices stay; groups shown in it move up.')
    .argument('<group>')
    .option('-y, --yes', 'do not ask')
    .action((name: string, options: { yes?: boolean }) => remove(context, name, options));
}

interface Properties {
  readonly filter?: string[];
  readonly in?: string;
  readonly description?: string;
}

async function list(context: Context): Promise<void> {
  const found = nested(await readGroups(await context.http()));
  context.list(
    found.map(({ group, depth }) => ({ ...group, depth })),
    [
      {
        head: 'GROUP',
        of: ({ name, depth }) => '  '.repeat(depth) + name,
        paint: (cell) => context.paint('bold', cell),
      },
      { head: 'KIND', of: ({ kind }) => kind },
      { head: 'DEVICES', right: true, of: ({ devices }) => String(devices ?? '-') },
      { head: 'FINDS', of: ({ terms = [] }) => terms.map(wordsOf).join(', ') },
      { head: 'DESCRIPTION', of: ({ description = '' }) => description },
    ],
    "no groups yet: 'patchbay groups add GROUP DEVICE' makes one",
  );
}

const wordsOf = ({ scope, attribute, type, value }: FilterTerm): string =>
  `${scope === 'inventory' ? '' : `${scope}/`}${attribute} ${type.slice(1)} ${JSON.stringify(value)}`;

async function show(context: Context, name: string, { nested = false }: { nested?: boolean }): Promise<void> {
  const http = await context.http();
  await readGroup(http, name);
  const request = { what: `devices of '${name}'`, query: nested ? { nested: 'true' } : {} };
  const shape = { id: 'string', attributes: 'array' } as const;
  const devices = await all(pages<InventoryDevice>(http, `${pathOf(name)}/devices`, shape, request));
  context.list(
    devices.map(fleetDevice),
    [
      { head: 'NAME', of: (device) => device.name, paint: (cell) => context.paint('bold', cell) },
      { head: 'STATUS', of: ({ status }) => status },
      { head: 'TYPE', of: ({ device_type }) => device_type || '-' },
      { head: 'ID', of: ({ id }) => id, paint: (cell) => context.paint('dim', cell) },
    ],
    'no device is in it',
  );
}

async function create(context: Context, name: string, { filter, in: parent, description }: Properties): Promise<void> {
  const json = {
    name,
    ...(filter ? { terms: termsOf(filter) } : {}),
    ...(parent ? { parent } : {}),
    ...(description ? { description } : {}),
  };
  await (await context.http()).request('POST', groupsPath, { json, what: `group '${name}'` });
  context.note(`made ${filter ? 'dynamic ' : ''}group ${name}`);
}

async function change(context: Context, name: string, { filter, in: parent, description }: Properties): Promise<void> {
  const json = {
    ...(filter ? { terms: termsOf(filter) } : {}),
    ...(parent === undefined ? {} : { parent: parent || null }),
    ...(description === undefined ? {} : { description }),
  };
  if (Object.keys(json).length === 0) throw usage('say what to change: --filter, --in or --description');
  await (await context.http()).request('PATCH', pathOf(name), { json, what: `group '${name}'` });
  context.note(`changed group ${name}`);
}

async function members(
  context: Context,
  method: 'PATCH' | 'DELETE',
  name: string,
  wanted: readonly string[],
): Promise<void> {
  const http = await context.http();
  const devices = await findDevices(http, wanted);
  const json = devices.map(({ id }) => id);
  await http.request(method, `${pathOf(name)}/devices`, { json, what: `group '${name}'` });
  const names = devices.map((device) => device.name).join(', ');
  context.note(method === 'PATCH' ? `${name} has ${names}` : `${name} no longer has ${names}`);
}

async function remove(context: Context, name: string, { yes = false }: { yes?: boolean }): Promise<void> {
  const http = await context.http();
  const group: Group = await readGroup(http, name);
  const question = `Delete the ${group.kind} group ${plain(name)}, which ${group.devices ?? 0} devices are in?`;
  await confirm(context.io, question, yes, context.signal);
  await http.request('DELETE', pathOf(name), { what: `group '${name}'` });
  context.note(`deleted group ${name}`);
}
