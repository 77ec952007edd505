// A server for tests: the real one, on a free port, with a data folder of its own.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '#base/log';
import { openStore } from './store/store.ts';
import { startServer, type RunningServer } from './server.ts';
import { Users } from './users/users.ts';

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
  readonly server: RunningServer;
  /** A user's token; the first is an administrator's. */
  login(email?: string, password?: string): Promise<string>;
  addUser(email: string, roles: string[]): Promise<string>;
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

export async function stage(): Promise<Stage> {
  const data = await mkdtemp(join(tmpdir(), 'patchbay-server-'));
  const db = await openStore(data);
  await new Users(db).create({ email: admin, password, roles: ['admin'] });
  await db.destroy();
  const config = {
    data,
    host: '127.0.0.1',
    port: 0,
    publicUrl: undefined,
    tls: undefined,
    trustedProxies: 0,
    artifactLimit: 1e9,
    logLevel: 'silent',
  } as const;
  let server = await startServer(config, silentLog);
  const url = (): string => `http://127.0.0.1:${server.port}`;
  const made: Stage = {
    get url() {
      return url();
    },
    get server() {
      return server;
    },
    data,
    async login(email = admin, secret = password) {
      const basic = Buffer.from(`${email}:${secret}`).toString('base64');
      const answer = await made.call('POST', '/api/management/v1/useradm/auth/login', {
        headers: { authorization: `Basic ${basic}` },
      });
      if (answer.status !== 200) throw new Error(`login: ${answer.status} ${answer.text}`);
      return answer.text;
    },
    async addUser(email, roles) {
      const token = await made.login();
      const answer = await made.call('POST', '/api/management/v1/useradm/users', {
        token,
        body: { email, password, roles },
      });
      if (answer.status !== 201) throw new Error(`user: ${answer.status} ${answer.text}`);
      return made.login(email);
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
      server = await startServer(config, silentLog);
    },
    async close() {
      await server.close();
      await rm(data, { recursive: true, force: true });
    },
  };
  return made;
}
