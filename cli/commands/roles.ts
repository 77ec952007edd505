import type { Command } from 'commander';
import type { Role } from '#proto/http/users';
import { rolesPath } from '#proto/http/paths';
import { permissions, scopeKindOf } from '#proto/http/permissions';
import { listOf, objectOf } from '../answer.ts';
import type { Context } from '../context.ts';
import { plain } from '../io.ts';
import { collect } from '../option.ts';
import { confirm } from '../prompt.ts';
import { grantsOf, grantText } from '../users/grants.ts';

interface Content {
  readonly grant: readonly string[];
  readonly description?: string;
}

const grantHelp =
  'PERMISSION, or PERMISSION@GROUP,… (releases:…@TAG,…) to confine it; * stands for any noun or verb; may be repeated';

export default function roles(command: Command, context: Context): void {
  command
    .command('list', { isDefault: true })
    .summary('list roles (what `patchbay roles` does)')
    .description('List roles.')
    .action(() => list(context));
  command
    .command('show')
    .description('Show what a role allows, and where.')
    .argument('<name>')
    .action((name: string) => show(context, name));
  command
    .command('add')
    .description('Make a role.')
    .argument('<name>')
    .requiredOption('--grant <grant>', grantHelp, collect())
    .option('--description <text>', 'what it is for')
    .action((name: string, content: Content) => write(context, 'POST', name, content));
  command
    .command('set')
    .description('Replace what a role allows; what its users have open and may no longer do ends.')
    .argument('<name>')
    .requiredOption('--grant <grant>', grantHelp, collect())
    .option('--description <text>', 'what it is for')
    .action((name: string, content: Content) => write(context, 'PUT', name, content));
  command
    .command('delete')
    .description('Delete a role that nobody has.')
    .argument('<name>')
    .option('-y, --yes', 'do not ask')
    .action((name: string, options: { yes?: boolean }) => remove(context, name, options));
  command
    .command('permissions')
    .description('List the permissions that there are, and what each can be confined to.')
    .action(() =>
      context.list(
        permissions.map((permission) => ({ permission, confined_to: scopeKindOf(permission) ?? null })),
        [
          { head: 'PERMISSION', of: ({ permission }) => permission, paint: (cell) => context.paint('bold', cell) },
          { head: 'CAN BE CONFINED TO', of: ({ confined_to: kind }) => (kind === null ? '-' : words[kind]) },
        ],
        'none',
      ),
    );
}

const words = { groups: 'groups of devices', tags: 'tags of releases' } as const;
const pathOf = (name: string): string => `${rolesPath}/${encodeURIComponent(name)}`;

async function list(context: Context): Promise<void> {
  const answer = await (await context.http()).json('GET', rolesPath, { what: 'roles' });
  context.list(
    listOf<Role>(answer, { name: 'string', grants: 'array', users: 'number' }, 'roles'),
    [
      { head: 'NAME', of: ({ name }) => name, paint: (cell) => context.paint('bold', cell) },
      { head: 'USERS', right: true, of: ({ users }) => String(users) },
      { head: 'KIND', of: ({ builtin }) => (builtin ? 'built in' : 'own') },
      { head: 'WHERE', of: (role) => placesOf(role) },
      { head: 'DESCRIPTION', of: ({ description }) => description },
    ],
    'no roles',
  );
}

function placesOf({ grants }: Role): string {
  const names = new Set(grants.flatMap(({ groups, tags }) => [...(groups ?? []), ...(tags ?? [])]));
  if (grants.some(({ groups, tags }) => !groups && !tags)) names.add('everywhere');
  return [...names].join(', ');
}

async function show(context: Context, name: string): Promise<void> {
  const answer = await (await context.http()).json('GET', pathOf(name), { what: `role ${name}` });
  const role = objectOf<Role>(answer, { name: 'string', grants: 'array', users: 'number' }, 'the role');
  context.show(role, () => {
    const about = `${plain(role.name)}: ${plain(role.description) || 'no description'}; ${role.users} users\n`;
    return `${about}${role.grants.map((grant) => `  ${plain(grantText(grant))}\n`).join('')}`;
  });
}

async function write(context: Context, method: 'POST' | 'PUT', name: string, { grant, description }: Content) {
  const content = { grants: grant.flatMap(grantsOf), ...(description === undefined ? {} : { description }) };
  const http = await context.http();
  const what = `role ${name}`;
  if (method === 'POST') await http.request('POST', rolesPath, { json: { name, ...content }, what });
  else await http.request('PUT', pathOf(name), { json: content, what });
  context.note(`role ${plain(name)} ${method === 'POST' ? 'added' : 'changed'}`);
}

async function remove(context: Context, name: string, { yes }: { yes?: boolean }): Promise<void> {
  const http = await context.http();
  await confirm(context.io, `Delete the role ${plain(name)}?`, yes, context.signal);
  await http.request('DELETE', pathOf(name), { what: `role ${name}` });
  context.note(`role ${plain(name)} deleted`);
}
