import { createInterface } from 'node:readline/promises';
import { Command, Option } from 'commander';
import { runCommands } from '../command-line.ts';
import { databaseOf, databaseOption } from '../config.ts';
import { Seal } from '../store/seal.ts';
import { openStore, type Db } from '../store/store.ts';
import { loadKeys } from '../tokens/keys.ts';
import { AuditLog } from '../audit/audit.ts';
import { Logins } from './logins.ts';
import { Policies } from './policy.ts';
import { Roles } from './role-store.ts';
import { SecondFactors } from './second-factor.ts';
import { Users } from './users.ts';

/** `patchbay user add|passwd|reset-2fa|list`: bootstrap on the server's machine, straight on its database, also while it runs. */
export async function userCommand(args: string[]): Promise<number> {
  const program = new Command('patchbay user').description("users, straight in the server's data folder");
  const data = () =>
    new Option('--data <dir>', "the server's data folder").env('PATCHBAY_DATA').default('patchbay-data');
  const stdin = () => new Option('--password-stdin', 'read the password from standard input (one line)');
  program
    .command('add <email>')
    .description('make a user')
    .addOption(data())
    .addOption(databaseOption())
    .addOption(stdin())
    .option('--role <name...>', 'roles: admin, operator, support, read-only, ci, or one of your own', ['admin'])
    .action((email: string, options: Place & { role: string[]; passwordStdin?: boolean }) =>
      withUsers(options, async ({ users, audit }) => {
        const password = await readPassword(options.passwordStdin === true);
        const id = await users.create({ email, password, roles: options.role });
        await audit.append({
          actor: { type: 'system', id: 'command line' },
          action: 'user_create',
          object: { type: 'user', id, name: email },
          result: 'ok',
          details: { roles: options.role },
        });
        process.stdout.write(`made user ${email} (${options.role.join(', ')})\n`);
      }),
    );
  program
    .command('passwd <email>')
    .description("set a user's password; ends his logins")
    .addOption(data())
    .addOption(databaseOption())
    .addOption(stdin())
    .action((email: string, options: Place & { passwordStdin?: boolean }) =>
      withUsers(options, async ({ users, audit }) => {
        const [user] = await users.list({ ids: [], emails: [email] });
        if (!user) throw new Error(`there is no user ${email}: see "patchbay user list"`);
        await users.update(user.id, { password: await readPassword(options.passwordStdin === true) });
        await audit.append({
          actor: { type: 'system', id: 'command line' },
          action: 'user_update',
          object: { type: 'user', id: user.id, name: email },
          result: 'ok',
          details: { password: true },
        });
        process.stdout.write(`password of ${email} set\n`);
      }),
    );
  program
    .command('reset-2fa <email>')
    .description("switch a user's second factor off: he has lost it, and there is no administrator to do it")
    .addOption(data())
    .addOption(databaseOption())
    .action((email: string, options: Place) =>
      withUsers(options, async ({ users, factors, audit }) => {
        const [user] = await users.list({ ids: [], emails: [email] });
        if (!user) throw new Error(`there is no user ${email}: see "patchbay user list"`);
        await factors.switchOff(user.id);
        await audit.append({
          actor: { type: 'system', id: 'command line' },
          action: 'second_factor_off',
          object: { type: 'user', id: user.id, name: email },
          result: 'ok',
        });
        process.stdout.write(`second factor of ${email} is off\n`);
      }),
    );
  program
    .command('list')
    .description('all users')
    .addOption(data())
    .addOption(databaseOption())
    .action((options: Place) =>
      withUsers(options, async ({ users }) => {
        for (const user of await users.list({ ids: [], emails: [] }))
          process.stdout.write(`${user.email}\t${user.roles.join(',')}\t${user.login_ts ?? 'never logged in'}\n`);
      }),
    );
  return runCommands(program, 'patchbay user', args);
}

interface Place {
  readonly data: string;
  readonly database?: string;
}

interface Tools {
  readonly users: Users;
  readonly factors: SecondFactors;
  readonly audit: AuditLog;
}

async function withUsers(place: Place, work: (tools: Tools) => Promise<void>): Promise<void> {
  const db: Db = await openStore(place.data, databaseOf(place.database));
  try {
    const logins = new Logins(
      { db, keys: await loadKeys(db), roles: new Roles(db), policies: new Policies(db) },
      () => undefined,
    );
    const users = new Users(db, {
      async rightsChanged() {},
      passwordChanged: (userId) => logins.endOthers(userId, undefined),
    });
    await work({ users, factors: new SecondFactors(db, new Seal(place.data)), audit: new AuditLog(db) });
  } finally {
    await db.destroy();
  }
}

/** A line from standard input, or typed without echo on a terminal. */
async function readPassword(piped: boolean): Promise<string> {
  if (!piped && !process.stdin.isTTY) throw new Error('no terminal to ask for the password: use --password-stdin');
  if (piped) {
    for await (const line of createInterface({ input: process.stdin })) return line;
    throw new Error('standard input held no password');
  }
  process.stderr.write('Password: ');
  process.stdin.setRawMode(true);
  try {
    let typed = '';
    for await (const chunk of process.stdin) {
      for (const char of String(chunk)) {
        if (char === '\r' || char === '\n') return typed;
        if (char === '\u0003') throw new Error('cancelled');
        typed = char === '\u007f' ? typed.slice(0, -1) : typed + char;
      }
    }
    return typed;
  } finally {
    process.stdin.setRawMode(false);
    process.stderr.write('\n');
  }
}
