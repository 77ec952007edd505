import type { Command } from 'commander';
import { useradm } from '#proto/http/paths';
import { age } from '../age.ts';
import type { Context } from '../context.ts';
import { failed } from '../failure.ts';
import { plain } from '../io.ts';
import { collect } from '../option.ts';
import { ask, confirm, firstLine } from '../prompt.ts';
import { findUser, readUsers } from '../users/find-user.ts';
import { loginCommands } from '../users/logins.ts';
import { secondFactorCommands } from '../users/second-factor.ts';

interface PasswordOptions {
  readonly passwordStdin?: boolean;
}

export default function users(command: Command, context: Context): void {
  command
    .command('list', { isDefault: true })
    .summary('list users (what `patchbay users` does)')
    .description('List users.')
    .action(() => list(context));
  command
    .command('add')
    .description('Add a user.')
    .argument('<email>')
    .option('--role <role>', 'give this role; may be repeated', collect())
    .option('--password-stdin', 'take the password from standard input')
    .action((email: string, options: PasswordOptions & { role?: string[] }) => add(context, email, options));
  command
    .command('roles')
    .description("Set a user's roles in place of those that he has; what he has open and may no longer do ends.")
    .argument('<email>', 'email or id')
    .argument('<role...>', "'patchbay roles' lists them")
    .action((email: string, roles: string[]) => setRoles(context, email, roles));
  command
    .command('passwd')
    .description('Change your own password, or that of another user.')
    .argument('[email]', 'the other user')
    .option(
      '--password-stdin',
      'take the new password (for yourself: the old one on a line before it) from standard input',
    )
    .action((email: string | undefined, options: PasswordOptions) => passwd(context, email, options));
  command
    .command('delete')
    .description('Delete a user; what he did stays in the audit log.')
    .argument('<email>', 'email or id')
    .option('-y, --yes', 'do not ask')
    .action((email: string, options: { yes?: boolean }) => remove(context, email, options));
  loginCommands(command, context);
  secondFactorCommands(command.command('2fa').summary('the second factor of a login'), context);
}

async function list(context: Context): Promise<void> {
  context.list(
    await readUsers(await context.http()),
    [
      { head: 'EMAIL', of: ({ email }) => email, paint: (cell) => context.paint('bold', cell) },
      { head: 'ROLES', of: ({ roles }) => (roles ?? []).join(', ') },
      { head: '2FA', of: ({ second_factor }) => (second_factor ? 'on' : 'off') },
      { head: 'LAST LOGIN', of: ({ login_ts }) => age(login_ts) },
      { head: 'ID', of: ({ id }) => id, paint: (cell) => context.paint('dim', cell) },
    ],
    'no users',
  );
}

async function add(context: Context, email: string, { role, passwordStdin }: PasswordOptions & { role?: string[] }) {
  const http = await context.http();
  const password = passwordStdin ? await firstLine(context.io) : await twice(context);
  const json = { email, password, ...(role ? { roles: role } : {}) };
  const response = await http.request('POST', `${useradm}/users`, { json, what: `user ${email}` });
  const id = response.headers.get('location')?.split('/').at(-1);
  context.note(`user ${email} added`);
  context.show({ id, email, roles: role }, () => '');
}

async function setRoles(context: Context, wanted: string, roles: readonly string[]): Promise<void> {
  const http = await context.http();
  const { id, email } = await findUser(http, wanted);
  await http.request('PUT', `${useradm}/users/${id}`, { json: { roles }, what: `user ${email}` });
  context.note(`roles of ${plain(email)}: ${roles.map(plain).join(', ')}`);
}

async function passwd(context: Context, email: string | undefined, { passwordStdin }: PasswordOptions) {
  const http = await context.http();
  if (email) {
    const { id } = await findUser(http, email);
    const password = passwordStdin ? await firstLine(context.io) : await twice(context);
    await http.request('PUT', `${useradm}/users/${id}`, { json: { password }, what: `user ${email}` });
    return context.note(`password of ${email} changed`);
  }
  let current: string;
  let password: string;
  if (passwordStdin) {
    const [old, fresh] = (await firstLine(context.io, 2)).split('\n');
    if (!old || !fresh) throw failed('standard input needs two lines: the old password and the new one');
    [current, password] = [old, fresh];
  } else {
    current = await ask(context.io, 'Password now', { secret: true }, context.signal);
    password = await twice(context);
  }
  const json = { password, current_password: current };
  await http.request('PUT', `${useradm}/users/me`, { json, what: 'your password' });
  context.note('your password is changed');
}

async function twice({ io, signal }: Context): Promise<string> {
  const first = await ask(io, 'New password', { secret: true }, signal);
  if ((await ask(io, 'Once more', { secret: true }, signal)) !== first) throw failed('the two are not the same');
  return first;
}

async function remove(context: Context, wanted: string, { yes }: { yes?: boolean }): Promise<void> {
  const http = await context.http();
  const { id, email } = await findUser(http, wanted);
  await confirm(context.io, `Delete ${plain(email)}?`, yes, context.signal);
  await http.request('DELETE', `${useradm}/users/${id}`, { what: `user ${email}` });
  context.note(`user ${plain(email)} deleted`);
}
