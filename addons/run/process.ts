import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import type { Account } from '#base/account';
import { CodedError, codeOf, messageOf } from '#base/errors';

/** After SIGTERM, ms: what is still there is killed. */
const patience = 2000;
/** util-linux has it everywhere; BusyBox' has no such options, and then the user's further groups are left out. */
const setpriv = '/usr/bin/setpriv';
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Starts a program as an account with that account's groups only, in a process group of its own. Throws in words for a
 * person: `not_permitted`, `not_started`.
 */
export async function start(command: readonly string[], account: Account): Promise<ChildProcessWithoutNullStreams> {
  const [program = '', ...args] = command;
  const self = process.geteuid?.() ?? -1;
  if (self !== 0 && self !== account.uid)
    throw new CodedError('not_permitted', `only root may run commands as ${account.name}`);
  const changes = self === 0;
  const helped = changes && existsSync(setpriv);
  const groups = ['--reuid', String(account.uid), '--regid', String(account.gid), '--init-groups', '--', program];
  const child = spawn(helped ? setpriv : program, helped ? [...groups, ...args] : args, {
    cwd: isFolder(account.home) ? account.home : '/',
    env: { HOME: account.home, USER: account.name, LOGNAME: account.name, PATH: path },
    detached: true,
    stdio: 'pipe',
    ...(changes && !helped ? { uid: account.uid, gid: account.gid } : {}),
  });
  try {
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
  } catch (error) {
    const why = codeOf(error) === 'ENOENT' ? 'there is no such program' : messageOf(error);
    throw new CodedError('not_started', `${program}: ${why}`, { cause: error });
  }
  return child;
}

/** Ends a command with all that it started; resolves at once. */
export function end(child: ChildProcess): void {
  if (child.pid === undefined) return;
  const { pid } = child;
  signal(pid, 'SIGTERM');
  const last = setTimeout(() => signal(pid, 'SIGKILL'), patience);
  last.unref();
}

function signal(group: number, name: NodeJS.Signals): void {
  try {
    process.kill(-group, name);
  } catch (error) {
    // All of it is gone, which is what was wanted.
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

function isFolder(place: string): boolean {
  try {
    return statSync(place).isDirectory();
  } catch {
    return false;
  }
}
