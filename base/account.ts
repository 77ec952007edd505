import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { CodedError } from './errors.ts';

/** A line of the user database. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

const run = promisify(execFile);
const namePattern = /^[^:/\s-][^:/\s]*$/;

/** The account of a user's name; throws `unknown_user`. Asks the name service only when /etc/passwd does not know. */
export async function findAccount(name: string, passwd = '/etc/passwd'): Promise<Account> {
  if (namePattern.test(name)) {
    const local = parse(name, await readFile(passwd, 'utf8').catch(() => ''));
    if (local) return local;
    // A small device may have no getent; then there is no other source either.
    const answer = await run('getent', ['passwd', '--', name], { timeout: 5000 }).catch(() => undefined);
    const remote = answer && parse(name, answer.stdout);
    if (remote) return remote;
  }
  throw new CodedError('unknown_user', `unknown user ${name}`);
}

function parse(name: string, database: string): Account | undefined {
  for (const line of database.split('\n')) {
    const [login, , uid, gid, , home] = line.split(':');
    if (login === name && uid && gid) return { name, uid: Number(uid), gid: Number(gid), home: home ?? '' };
  }
  return undefined;
}
