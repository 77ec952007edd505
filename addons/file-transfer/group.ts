import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
const namePattern = /^[^:/\s-][^:/\s]*$/;

/** The id of a group's name; undefined if there is none. Asks the name service only when /etc/group does not know. */
export async function findGroup(name: string, file = '/etc/group'): Promise<number | undefined> {
  if (!namePattern.test(name)) return undefined;
  const local = parse(name, await readFile(file, 'utf8').catch(() => ''));
  if (local !== undefined) return local;
  // A small device may have no getent; then there is no other source either.
  const answer = await run('getent', ['group', '--', name], { timeout: 5000 }).catch(() => undefined);
  return answer && parse(name, answer.stdout);
}

function parse(name: string, database: string): number | undefined {
  for (const line of database.split('\n')) {
    const [group, , gid] = line.split(':');
    if (group === name && gid) return Number(gid);
  }
  return undefined;
}
