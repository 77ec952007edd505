import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { auditActions, auditCode, type AuditEntry } from '#proto/http/audit';
import { silentLog } from '#base/log';
import { artifactFor, formOf } from '../deployments/harness.testing.ts';
import { openStore } from '../store/store.ts';
import { password, stage, type Answer, type Stage } from '../stage.ts';
import { AuditLog } from './audit.ts';
import { Retention } from './retention.ts';

const useradm = '/api/management/v1/useradm';
const path = '/api/management/v1/patchbay/audit';
let server: Stage;
let boss = '';
beforeAll(async () => {
  server = await stage();
  const body = { name: 'tests', expires_in: 0 };
  boss = (await server.call('POST', `${useradm}/settings/tokens`, { token: await server.login(), body })).text;
});
afterAll(() => server.close());

const call = (method: string, route: string, body?: unknown, token = boss): Promise<Answer> =>
  server.call(method, route, { token, ...(body === undefined ? {} : { body }) });
const read = async (query: string): Promise<AuditEntry[]> =>
  (await call('GET', `${path}?${query}`)).body as AuditEntry[];

describe('an entry', () => {
  it('has a number that stays, for every action of every route', () => {
    const words = server.server.routes.flatMap(({ spec }) => (spec.audit ? [spec.audit] : []));
    expect(words.filter((word) => !Object.hasOwn(auditActions, word))).toEqual([]);
    const numbers = Object.values(auditActions);
    expect(new Set(numbers).size).toBe(numbers.length);
    // Given out once, for ever: a program somewhere goes by these.
    expect([
      auditCode('login', 'refused'),
      auditCode('session_open', 'ok'),
      auditCode('deployment_create', 'failed'),
    ]).toEqual(['P101W', 'P601I', 'P501E']);
  });

  it('says who, what, on what, from where, with what, and how it ended', async () => {
    const authorization = `Basic ${Buffer.from(`stranger@example.com:${password}`).toString('base64')}`;
    await server.call('POST', `${useradm}/auth/login`, { headers: { authorization, 'user-agent': 'curl/8.1' } });
    const [entry] = await read('action=login&result=refused');
    expect(entry).toMatchObject({
      code: 'P101W',
      actor: { type: 'user', id: 'stranger@example.com' },
      object: { type: 'user', id: 'stranger@example.com' },
      result: 'refused',
      address: '127.0.0.1',
      user_agent: 'curl/8.1',
      request_id: expect.any(String) as string,
    });
  });

  it('of a change has what was and what is, and no secret of either', async () => {
    const { id } = (await call('GET', `${useradm}/users/me`)).body as { id: string };
    await call('POST', `${useradm}/settings`, { theme: 'dark', smtp: { password: 'hunter2', user: 'post' } });
    await call('POST', `${useradm}/settings`, { theme: 'light', api_key: 'k-123' });
    const [entry] = await read('action=settings_update&object_id=global');
    expect(entry).toMatchObject({
      actor: { id },
      before: { theme: 'dark', smtp: { password: '***', user: 'post' } },
      after: { theme: 'light', api_key: '***' },
    });
    await call('POST', `${useradm}/settings`, {});
    await server.addUser('changed@example.com', ['read-only']);
    const [user] = (await call('GET', `${useradm}/users?email=changed@example.com`)).body as { id: string }[];
    await call('PUT', `${useradm}/users/${user!.id}`, { roles: ['support'], password: 'a secret of mine' });
    const [change] = await read(`action=user_update&object_id=${user!.id}`);
    expect(change).toMatchObject({
      before: { roles: ['read-only'] },
      after: { roles: ['support'] },
      details: { password: true },
    });
    expect((await call('GET', `${path}/export?format=jsonl`)).text).not.toMatch(/hunter2|k-123|a secret of mine/);
  });

  it('of a refused upload names its file and its artifact', async () => {
    const send = async (form: FormData, token = boss) =>
      (
        await fetch(`${server.url}/api/management/v1/deployments/artifacts`, {
          method: 'POST',
          headers: { authorization: `Bearer ${token}` },
          body: form,
        })
      ).status;
    expect(await send(formOf(Buffer.from('this is no artifact')))).toBe(400);
    expect((await read('action=artifact_upload'))[0]).toMatchObject({
      code: 'P401W',
      object: { type: 'artifact', name: 'x.mender' },
    });
    const good = await artifactFor('twice-1');
    expect(await send(formOf(good))).toBe(201);
    expect(await send(formOf(good))).toBe(409);
    expect((await read('action=artifact_upload'))[0]).toMatchObject({
      result: 'refused',
      object: { type: 'artifact', name: 'twice-1' },
    });
    const reader = await server.addUser('uploads@example.com', ['read-only']);
    expect(await send(formOf(good), reader)).toBe(403);
    expect((await read('action=artifact_upload'))[0]).toMatchObject({
      actor: { name: 'uploads@example.com' },
      result: 'refused',
    });
  });

  it('of a refused request on a device names the device', async () => {
    const reader = await server.addUser('noupload@example.com', ['read-only']);
    const upload = '/api/management/v1/deviceconnect/devices/some-device/upload';
    expect((await call('PUT', upload, {}, reader)).status).toBe(403);
    expect((await read('action=file_upload'))[0]).toMatchObject({
      object: { type: 'device', id: 'some-device' },
      actor: { name: 'noupload@example.com' },
      result: 'refused',
    });
  });
});

describe('the log', () => {
  it('is filtered by time, user, action by word or number, object and result', async () => {
    await server.addUser('filtered@example.com', ['read-only']);
    const [made] = await read('action=user_create&object=FILTERED');
    expect(made?.object.name).toBe('filtered@example.com');
    const all = await read('per_page=500');
    const check = async (query: string, keep: (entry: AuditEntry) => boolean) => {
      const found = await read(`per_page=500&${query}`);
      expect(found.length, query).toBeGreaterThan(0);
      expect(
        found.map(({ id }) => id),
        query,
      ).toEqual(all.filter(keep).map(({ id }) => id));
    };
    await check('action=110', ({ action }) => action === 'user_create');
    await check('action=P110I', ({ code }) => code === 'P110I');
    await check('action=P101W&action=110', ({ code, action }) => code === 'P101W' || action === 'user_create');
    await check('action=login&action=logout', ({ action }) => action === 'login' || action === 'logout');
    await check('actor=admin@example.com', ({ actor }) => actor.name === 'admin@example.com');
    await check('object_type=user', ({ object }) => object.type === 'user');
    await check('result=refused&result=failed', ({ result }) => result !== 'ok');
    await check(`since=${made!.time}`, ({ time }) => time >= made!.time);
    await check(`until=${made!.time}`, ({ time }) => time < made!.time);
    for (const query of ['since=yesterday', 'result=maybe', 'action=P999I', 'until=2026-13-01'])
      expect((await call('GET', `${path}?${query}`)).status, query).toBe(400);
  });

  it('goes out as CSV in which no cell is a formula, and as lines of JSON', async () => {
    const evil = '=HYPERLINK("//x","y")@example.com';
    const authorization = `Basic ${Buffer.from(`${evil}:x`).toString('base64')}`;
    await server.call('POST', `${useradm}/auth/login`, { headers: { authorization, 'user-agent': '+1-1\r\n'.trim() } });
    const { text, headers } = await call('GET', `${path}/export?format=csv&result=refused`);
    expect(headers.get('content-type')).toMatch(/^text\/csv/);
    expect(headers.get('content-disposition')).toMatch(/filename="patchbay-audit-\d{4}-\d\d-\d\d\.csv"/);
    const rows = text.trimEnd().split('\r\n');
    expect(rows[0]).toMatch(/^id,time,code,action,result,actor_type/);
    const row = rows.find((each) => each.includes('HYPERLINK'));
    expect(row).toContain(`"'=HYPERLINK(""//x"",""y"")@example.com"`);
    expect(row).toContain(`,'+1-1,`);
    for (const each of rows.slice(1)) expect(each).not.toMatch(/(^|,)"?[=+@-]/);
    const lines = (await call('GET', `${path}/export?format=jsonl`)).text.trimEnd().split('\n');
    const entries = lines.map((line) => JSON.parse(line) as AuditEntry);
    expect(entries.length).toBeGreaterThan(5);
    expect(entries.map(({ id }) => id)).toEqual(entries.map(({ id }) => id).sort((a, b) => b - a));
    expect((await read('action=audit_export'))[0]).toMatchObject({ details: { format: 'jsonl' } });
    expect((await call('GET', `${path}/export?format=xml`)).status).toBe(400);
  });

  it('is exported whole, however many portions it is read in', async () => {
    const db = await openStore(server.data, server.database);
    try {
      const audit = new AuditLog(db);
      const { total } = await audit.list({}, 1, 0);
      const ids = [];
      for await (const entries of audit.all({}, 3)) ids.push(...entries.map(({ id }) => id));
      expect(ids).toHaveLength(total);
      expect(new Set(ids).size).toBe(total);
    } finally {
      await db.destroy();
    }
  });

  it('is shown in the shape of the reference too (§4.4)', async () => {
    const { body, headers } = await call('GET', '/api/management/v1/auditlogs/logs?per_page=2&object_type=user');
    expect(Number(headers.get('x-total-count'))).toBeGreaterThan(2);
    expect(body).toHaveLength(2);
    expect(body).toMatchObject([
      { action: expect.any(String) as string, object: { type: 'user' }, actor: { type: 'user' } },
      {},
    ]);
  });

  it('cannot be altered, nor a new entry taken away, by any statement', async () => {
    const db = await openStore(server.data, server.database);
    try {
      const refused = /only added to/;
      await expect(db.updateTable('audit').set({ result: 'ok' }).execute()).rejects.toThrow(refused);
      await expect(db.deleteFrom('audit').execute()).rejects.toThrow(refused);
      await expect(sql`delete from audit where id = 1`.execute(db)).rejects.toThrow(refused);
    } finally {
      await db.destroy();
    }
  });

  it('is kept as long as is decided; what is older goes, and that is in the log', async () => {
    const db = await openStore(server.data, server.database);
    try {
      const audit = new AuditLog(db);
      const before = await audit.list({}, 1, 0);
      const old = {
        actor_type: 'user',
        actor_id: 'u',
        action: 'login',
        object_type: 'user',
        object_id: 'u',
        result: 'ok',
      };
      const day = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
      await db
        .insertInto('audit')
        .values([31, 40, 29].map((days) => ({ ...old, time: day(days) })))
        .execute();
      const run = (days: number) =>
        new Retention(
          db,
          audit,
          { get: async () => ({ second_factor: 'optional', audit_days: days }) },
          silentLog,
        ).run();
      await run(0);
      expect((await audit.list({}, 1, 0)).total).toBe(before.total + 3);
      await run(30);
      const { entries, total } = await audit.list({}, 1, 0);
      // Two went, and the entry that says so came.
      expect(total).toBe(before.total + 2);
      expect(entries[0]).toMatchObject({
        action: 'audit_prune',
        actor: { type: 'system' },
        details: { entries: 2, days: 30 },
      });
      await expect(db.deleteFrom('audit').where('time', '<', day(28)).execute()).rejects.toThrow(/only added to/);
    } finally {
      await db.destroy();
    }
  });
});
