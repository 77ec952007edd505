// A server for tests: the real one, on a free port, with a data folder of its own.
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { silentLog, type Log } from '#base/log';
import { configOf, serverOptions, type ServerConfig } from './config.ts';
import { openStore } from './store/store.ts';
import { startServer, type RunningServer } from './server.ts';
import { cost } from './users/password.ts';
import { Users } from './users/users.ts';

// Tests log in a thousand times; what a hash costs is no part of what they ask.
Object.assign(cost, { memory: 64, passes: 1 });

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // The tests say what they expect in it.
  readonly body: unknown;
}

export interface Stage {
  readonly url: string;
  readonly data: string;
  /** URL of its PostgreSQL database; undefined: SQLite in the data folder. */
  readonly database: string | undefined;
  readonly server: RunningServer;
  /** A user's token; the first is an administrator's. */
  login(email?: string, password?: string): Promise<string>;
  addUser(email: string, roles: string[]): Promise<string>;
  /** A device that has been accepted. */
  addDevice(identity?: Record<string, unknown>): Promise<{ readonly id: string; readonly token: string }>;
  call(
    method: string,
    path: string,
    options?: { token?: string; body?: unknown; headers?: Record<string, string>; raw?: string | Uint8Array },
  ): Promise<Answer>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const admin = 'admin@example.com';
export const password = 'a password for tests';

/** The databases that a server can stand on. */
export const databases = ['SQLite', 'PostgreSQL'] as const;
export type DatabaseName = (typeof databases)[number];

/** Those that can be had on this machine: one says on a laptop what it skips, and fails in CI. */
export async function availableDatabases(): Promise<readonly DatabaseName[]> {
  const { PeerMissing, peer } = await import('../test/peers.ts');
  try {
    await peer('postgresql-15');
    return databases;
  } catch (error) {
    if (!(error instanceof PeerMissing) || process.env['CI'] === 'true') throw error;
    console.warn(`skipped on PostgreSQL: ${error.message}`);
    return ['SQLite'];
  }
}

/** What a suite that says nothing runs on: `PATCHBAY_TEST_DATABASE`, else SQLite. */
export const usualDatabase =
  databases.find((name) => name.toLowerCase() === process.env['PATCHBAY_TEST_DATABASE']) ?? 'SQLite';

/** A fresh database: undefined for SQLite, which lies in the data folder, else a URL. */
export async function databaseFor(name: DatabaseName = usualDatabase): Promise<string | undefined> {
  return name === 'SQLite' ? undefined : (await import('../test/stage/postgres.ts')).migratedDatabase();
}

/** A database with nothing in it, no table either; undefined for SQLite, which is made in an empty data folder. */
export async function emptyDatabase(name: DatabaseName): Promise<string | undefined> {
  return name === 'SQLite' ? undefined : (await import('../test/stage/postgres.ts')).freshDatabase();
}

/** Starts it; `told`: what of its configuration is not as usual. */
export async function stage(told: Partial<ServerConfig> = {}, log: Log = silentLog): Promise<Stage> {
  const data = await mkdtemp(join(tmpdir(), 'patchbay-server-'));
  const database = 'database' in told ? told.database : await databaseFor();
  const db = await openStore(data, database);
  await new Users(db).create({ email: admin, password, roles: ['admin'] });
  await db.destroy();
  // Options as everybody's, but that tests ask more often than people.
  const args = [
    '--data',
    data,
    '--listen',
    '127.0.0.1:0',
    '--log-level',
    'silent',
    '--device-rate',
    '0',
    '--user-rate',
    '0',
    '--address-rate',
    '0',
  ];
  const config: ServerConfig = {
    ...configOf(serverOptions(new Command()).parse(args, { from: 'user' })),
    ...told,
    database,
  };
  let last = 0;
  let administrator: Promise<string> | undefined;
  /** One login for all of them, as long as it is good: a user's oldest end when there are many. */
  const administratorToken = async (): Promise<string> => {
    administrator ??= made.login();
    const token = await administrator;
    const { status } = await made.call('GET', '/api/management/v1/useradm/users/me', { token });
    return status === 401 ? (administrator = made.login()) : token;
  };
  let server = await startServer(config, log);
  const url = (): string => `${config.tls ? 'https' : 'http'}://127.0.0.1:${server.port}`;
  const made: Stage = {
    get url() {
      return url();
    },
    get server() {
      return server;
    },
    data,
    database,
    async login(email = admin, secret = password) {
      const basic = Buffer.from(`${email}:${secret}`).toString('base64');
      const answer = await made.call('POST', '/api/management/v1/useradm/auth/login', {
        headers: { authorization: `Basic ${basic}` },
      });
      if (answer.status !== 200) throw new Error(`login: ${answer.status} ${answer.text}`);
      return answer.text;
    },
    async addUser(email, roles) {
      const token = await administratorToken();
      const answer = await made.call('POST', '/api/management/v1/useradm/users', {
        token,
        body: { email, password, roles },
      });
      if (answer.status !== 201) throw new Error(`user: ${answer.status} ${answer.text}`);
      return made.login(email);
    },
    async addDevice(identity = { mac: `02:00:00:00:00:${String(++last).padStart(2, '0')}` }) {
      const key = generateKeyPairSync('ed25519');
      const pubkey = key.publicKey.export({ type: 'spki', format: 'pem' });
      // One login for all: a person has ten at most.
      const token = await administratorToken();
      const listed = await made.call('POST', '/api/management/v2/devauth/devices', {
        token,
        body: { identity_data: identity, pubkey },
      });
      const raw = JSON.stringify({ id_data: JSON.stringify(identity), pubkey });
      const signature = sign(null, Buffer.from(raw), key.privateKey).toString('base64');
      const answer = await made.call('POST', '/api/devices/v1/authentication/auth_requests', {
        raw,
        headers: { 'content-type': 'application/json', 'x-men-signature': signature },
      });
      if (answer.status !== 200) throw new Error(`device: ${listed.status} ${answer.status} ${answer.text}`);
      const claims = JSON.parse(Buffer.from(answer.text.split('.')[1] ?? '', 'base64url').toString()) as {
        sub: string;
      };
      return { id: claims.sub, token: answer.text };
    },
    async call(method, path, { token, body, headers = {}, raw } = {}) {
      const response = await fetch(`${url()}${path}`, {
        method,
        headers: {
          ...(token ? { authorization: `Bearer ${token}` } : {}),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(raw === undefined ? (body === undefined ? {} : { body: JSON.stringify(body) }) : { body: raw as string }),
      });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
      return {
        status: response.status,
        headers: response.headers,
        text,
        body: isJson ? (JSON.parse(text) as unknown) : undefined,
      };
    },
    async restart() {
      await server.close();
      server = await startServer(config, log);
    },
    async close() {
      await server.close();
      await rm(data, { recursive: true, force: true });
    },
  };
  return made;
}
