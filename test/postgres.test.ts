import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stage } from '../server/stage.ts';
import { openStore } from '../server/store/store.ts';
import { describePeers } from './peers.ts';
import { Gate } from './stage/gate.ts';
import { cluster, freshDatabase, migratedDatabase, withClient } from './stage/postgres.ts';
import { eventually } from './stage/program.ts';

await describePeers('a server on PostgreSQL', ['postgresql-15'], () => {
  let data = '';
  let socket = '';
  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'patchbay-postgres-test-'));
    socket = (await cluster()).folder;
  });
  afterAll(() => rmSync(data, { recursive: true, force: true }));

  it.each([
    ['nobody listens', () => 'postgres://me:geheim@127.0.0.1:1/x', /no PostgreSQL answers at 127\.0\.0\.1:1/],
    ['there is no socket', () => 'postgres://me:geheim@/x?host=/nowhere', /no PostgreSQL answers at \/nowhere/],
    ['there is no such host', () => 'postgres://me:geheim@nowhere.invalid/x', /host of --database is not known/],
    ['there is no such database', () => url('none', 'postgres:geheim'), /has no database none: make it with "createdb/],
    ['there is no such user', () => url('postgres', 'nobody:geheim'), /does not let nobody in/],
    ['it is no URL of a database', () => 'postgres://me:geheim@[x', /postgres:\/\/USER@HOST:PORT\/NAME is wanted/],
  ])('says at start that %s, without the password', async (_, database, words) => {
    const error: unknown = await openStore(data, database()).catch((e: unknown) => e);
    expect(String(error)).toMatch(words);
    expect(String(error)).not.toContain('geheim');
  });
  const url = (name: string, user: string) => `postgres://${user}@/${name}?host=${encodeURIComponent(socket)}`;

  it('says at start that a database holds another encoding, or that it may not make tables', async () => {
    await withClient(socket, 'postgres', async (client) => {
      await client.query(`create database ascii encoding 'SQL_ASCII' template template0`);
      await client.query('create role guest login');
      await client.query('create database foreign_one template template0');
    });
    await expect(openStore(data, url('ascii', 'postgres'))).rejects.toThrow(/its encoding is SQL_ASCII, not UTF8/);
    await expect(openStore(data, url('foreign_one', 'guest'))).rejects.toThrow(/permission denied/);
  });

  it('compares text by its bytes in a database that was made for a language', async () => {
    const name = 'deutsch';
    await withClient(socket, 'postgres', (client) =>
      client.query(`create database ${name} locale_provider icu icu_locale 'de-DE' template template0`),
    );
    const db = await openStore(data, url(name, 'postgres'));
    const sorted = ['A', 'B', 'a', 'b', 'ä'];
    for (const text of sorted.toReversed()) await db.insertInto('secrets').values({ name: text, value: '' }).execute();
    const rows = await db.selectFrom('secrets').select('name').orderBy('name').execute();
    expect(rows.map((row) => row.name)).toEqual(sorted);
    await db.destroy();
  });

  it('answers 503 while the database is away, and works again by itself when it is back', async () => {
    const gate = await Gate.to(join(socket, '.s.PGSQL.5432'));
    const name = new URL((await migratedDatabase()).replace('@/', '@x/')).pathname;
    const server = await stage({ database: `postgres://postgres@127.0.0.1:${gate.port}${name}` });
    try {
      const token = await server.login();
      const devices = () => server.call('GET', '/api/management/v2/devauth/devices', { token });
      expect((await devices()).status).toBe(200);
      await gate.shut();
      for (const path of ['/health', '/api/management/v2/devauth/devices', '/api/management/v1/inventory/devices']) {
        const { status, body, headers } = await server.call('GET', path, { token });
        expect([path, status, headers.get('retry-after')]).toEqual([path, 503, expect.any(String)]);
        expect(body).toMatchObject({ error: expect.stringMatching(/^service unavailable/) as string });
      }
      await gate.open();
      await eventually('the server works again', async () => (await devices()).status === 200);
      expect((await server.call('GET', '/health')).status).toBe(200);
    } finally {
      await server.close();
      await gate.shut();
    }
  });

  it('ends a request whose connection is cut in the middle of it with 503, and changes nothing by halves', async () => {
    const server = await stage({ database: await migratedDatabase() });
    try {
      const token = await server.login();
      const database = new URL((server.database ?? '').replace('@/', '@x/')).pathname.slice(1);
      await withClient(socket, database, async (client) => {
        // Holds the row that the server's transaction waits for, then cuts that off.
        await client.query('begin; lock table users in access exclusive mode');
        const waiting = server.call('POST', '/api/management/v1/useradm/users', {
          token,
          body: { email: 'late@example.com', password: 'a password for tests', roles: ['admin'] },
        });
        await eventually('the server waits', async () => {
          const { rows } = await client.query<{ n: number }>(
            `select count(*)::integer as n from pg_stat_activity where datname = '${database}' and wait_event_type = 'Lock'`,
          );
          return (rows[0]?.n ?? 0) > 0;
        });
        await client.query(
          `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${database}' and pid <> pg_backend_pid()`,
        );
        await client.query('rollback');
        expect((await waiting).status).toBe(503);
      });
      const { body } = await server.call('GET', '/api/management/v1/useradm/users', { token });
      expect((body as { email: string }[]).map((user) => user.email)).toEqual(['admin@example.com']);
    } finally {
      await server.close();
    }
  });

  it('begins on an empty database and goes on with what it has', async () => {
    const database = await freshDatabase();
    const first = await openStore(data, database);
    await first.insertInto('secrets').values({ name: 'a', value: '1' }).execute();
    await first.destroy();
    const again = await openStore(data, database);
    expect(await again.selectFrom('secrets').selectAll().execute()).toEqual([{ name: 'a', value: '1' }]);
    await again.destroy();
  });
});
