import type { Command } from 'commander';
import type { Login } from '#proto/http/users';
import { loginsPath } from '#proto/http/paths';
import { age } from '../age.ts';
import { listOf } from '../answer.ts';
import type { Context } from '../context.ts';
import { plain } from '../io.ts';
import { findUser } from './find-user.ts';

interface Options {
  readonly end?: string;
  readonly endAll?: boolean;
}

/** `users logins`: where somebody is logged in, and an end to it. */
export function loginCommands(command: Command, context: Context): void {
  command
    .command('logins')
    .summary('where you, or another user, are logged in; end a login')
    .description('List where you, or another user, are logged in, access tokens too; or end such a login.')
    .argument('[email]', 'another user: email or id')
    .option('--end <id>', 'end this one, and what stands on it')
    .option('--end-all', 'end all; of your own, all but the one that this command uses')
    .action((email: string | undefined, options: Options) => logins(context, email, options));
}

async function logins(context: Context, email: string | undefined, { end, endAll }: Options): Promise<void> {
  const http = await context.http();
  const user = email === undefined ? undefined : await findUser(http, email);
  const path = user ? `/api/management/v1/patchbay/users/${user.id}/logins` : loginsPath;
  const whose = user ? ` of ${plain(user.email)}` : '';
  if (end !== undefined) {
    await http.request('DELETE', `${path}/${encodeURIComponent(end)}`, { what: `login ${end}` });
    return context.note(`login ${plain(end)}${whose} ended`);
  }
  if (endAll) {
    await http.request('DELETE', path, { what: 'logins' });
    return context.note(user ? `all logins${whose} ended` : 'all your other logins ended');
  }
  const answer = await http.json('GET', path, { what: 'logins' });
  context.list(
    listOf<Login>(answer, { id: 'string', kind: 'string', client: 'string', created_ts: 'string' }, 'logins'),
    [
      {
        head: 'WITH',
        of: ({ kind, name, client }) => (kind === 'access' ? `access token ${name ?? ''}` : client),
        paint: (cell) => context.paint('bold', cell),
      },
      { head: 'FROM', of: ({ address }) => address ?? '' },
      { head: 'SINCE', of: ({ created_ts }) => age(created_ts) },
      { head: 'LAST USED', of: ({ last_used_ts }) => age(last_used_ts) },
      { head: '', of: ({ current }) => (current ? 'this one' : '') },
      { head: 'ID', of: ({ id }) => id, paint: (cell) => context.paint('dim', cell) },
    ],
    'no logins',
  );
}
