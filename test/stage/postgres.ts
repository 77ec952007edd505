// A PostgreSQL cluster of the tests' own: made when the first of them asks, on a Unix socket in a temporary folder, and
// gone when the program that runs the tests is. Nothing of it is durable: that makes it quick.
import { execFile, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, cp, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { CodedError, messageOf } from '#base/errors';
import { openPostgres } from '../../server/store/postgres.ts';
import { migrate } from '../../server/store/store.ts';
import { peer, peerEnvironment } from '../peers.ts';
import { eventually } from './program.ts';

const run = promisify(execFile);
const packageName = 'postgresql-15';
const programs = join('usr', 'lib', 'postgresql', '15', 'bin');
/** PostgreSQL refuses to run as root. */
const nobody = 65_534;
const account = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};

const settings = [
  'listen_addresses=',
  'fsync=off',
  'synchronous_commit=off',
  'full_page_writes=off',
  'wal_level=minimal',
  'max_wal_senders=0',
  'max_connections=300',
  'shared_buffers=64MB',
  'jit=off',
];

/** Ends the cluster and removes its folder when the owner is gone, however it went. */
const watcher = `
  "$1/postgres" -D "$3/data" -k "$3" $4 >"$3/log" 2>&1 & server=$!
  trap 'kill -INT $server' TERM
  while [ -d /proc/$2 ] && [ -d /proc/$server ]; do sleep 0.3; done
  kill -INT $server 2>/dev/null; wait $server; rm -rf "$3"`;

export interface Cluster {
  /** Its folder, which holds the socket. */
  readonly folder: string;
  /** Of one of its databases, as `--database` takes it. */
  readonly url: (database: string) => string;
}

/**
 * The cluster of this run. Test files run in processes of their own, below one that `owner` names: the first makes it,
 * the others wait. Throws `PeerMissing` where PostgreSQL cannot be had.
 */
export async function cluster(owner = process.ppid): Promise<Cluster> {
  const root = await peer(packageName);
  const folder = join(tmpdir(), `patchbay-postgres-${owner}`);
  const made: Cluster = {
    folder,
    url: (database) => `postgres://postgres@/${database}?host=${encodeURIComponent(folder)}`,
  };
  const state = join(folder, 'state');
  if (await isFirst(folder)) {
    try {
      await start(root, folder, owner);
      await say(state, 'ready');
    } catch (error) {
      await say(state, messageOf(error));
    }
  }
  const words = await eventually('PostgreSQL runs', async () => existsSync(state) && readFile(state, 'utf8'), 60_000);
  if (words !== 'ready') throw new CodedError('postgres', `PostgreSQL for tests does not run: ${words}`);
  return made;
}

/** Whether this process is the one to make it. A folder cannot be made twice. */
async function isFirst(folder: string): Promise<boolean> {
  try {
    await mkdir(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Whole or not at all: others read it as soon as it is there. */
async function say(state: string, words: string): Promise<void> {
  await writeFile(`${state}.new`, words);
  await rename(`${state}.new`, state);
}

async function start(root: string, folder: string, owner: number): Promise<void> {
  // The account of the server enters it for the socket.
  if (account.uid !== undefined) await chown(folder, account.uid, account.gid);
  await chmod(folder, 0o755);
  const bin = join(await reachable(root, folder), programs);
  const env = { ...process.env, ...(await peerEnvironment(packageName)), HOME: folder };
  const words = ['--no-sync', '--auth=trust', '--username=postgres', '--encoding=UTF8', '--locale=C'];
  await run(join(bin, 'initdb'), [...words, '--pgdata', join(folder, 'data')], { ...account, env, cwd: folder });
  const options = settings.map((setting) => `-c ${setting}`).join(' ');
  spawn('/bin/sh', ['-c', watcher.replace('$4', options), 'sh', bin, String(owner), folder], {
    ...account,
    env,
    cwd: '/',
    detached: true,
    stdio: 'ignore',
  }).unref();
  await eventually('PostgreSQL answers', async () => {
    await withClient(folder, 'postgres', (client) => client.query('select 1'));
    return true;
  });
}

/** The package's root, or a copy of it where the server's account can get at it: a home folder may be its owner's only. */
async function reachable(root: string, folder: string): Promise<string> {
  for (let at = root; account.uid !== undefined && at !== dirname(at); at = dirname(at))
    if (((await stat(at)).mode & 0o001) === 0) {
      const copy = join(folder, 'root');
      await cp(root, copy, { recursive: true, filter: (path) => !path.endsWith('/bitcode') });
      return copy;
    }
  return root;
}

export async function withClient<T>(
  folder: string,
  database: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({ host: folder, user: 'postgres', database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** A new database, empty or a copy of another that nobody is connected to; its URL. */
export async function freshDatabase(template = 'template0', owner = process.ppid): Promise<string> {
  const { folder, url } = await cluster(owner);
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await withClient(folder, 'postgres', (client) => client.query(`create database ${name} template ${template}`));
  return url(name);
}

const template = 'patchbay_template';

/** A new database with the tables of the newest version, made once a run and then copied; its URL. */
export async function migratedDatabase(): Promise<string> {
  const { folder, url } = await cluster();
  const ready = join(folder, 'template');
  if (await isFirst(join(folder, 'template.begun'))) {
    await withClient(folder, 'postgres', (client) => client.query(`create database ${template} template template0`));
    const db = await openPostgres(url(template));
    await migrate(db);
    await db.destroy();
    await say(ready, 'ready');
  }
  await eventually('the template of the databases is made', async () => existsSync(ready), 60_000);
  return freshDatabase(template);
}
