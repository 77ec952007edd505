import { expect, test } from 'vitest';
import { person, serve } from './bench.testing.ts';

const users = '/api/management/v1/useradm/users';
const known = [
  { id: 'u1', email: 'ada@example.com', roles: ['admin'], created_ts: '', updated_ts: '' },
  { id: 'u2', email: 'bob@example.com', roles: ['support', 'read-only'], created_ts: '', updated_ts: '' },
];

test('users are listed, added with roles, given a password and deleted', async () => {
  await using server = await serve({
    [`GET ${users}`]: { json: known },
    [`POST ${users}`]: { status: 201, headers: { location: 'users/u3' } },
    [`PUT ${users}/u2`]: { status: 204 },
    [`PUT ${users}/me`]: { status: 204 },
    [`DELETE ${users}/u2`]: { status: 204 },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  expect((await ada.call(['users'], env)).out).toMatch(/bob@example\.com +support, read-only +off +- +u2/);
  const args = ['users', 'add', 'eve@example.com', '--role', 'support', '--role', 'ci', '--password-stdin'];
  expect((await ada.call(args, { ...env, input: 'long secret\n' })).err).toBe('user eve@example.com added\n');
  expect(JSON.parse(server.asked.at(-1)!.body)).toEqual({
    email: 'eve@example.com',
    password: 'long secret',
    roles: ['support', 'ci'],
  });
  await ada.call(['users', 'passwd', 'BOB@example.com', '--password-stdin'], { ...env, input: 'fresh one' });
  expect(JSON.parse(server.asked.at(-1)!.body)).toEqual({ password: 'fresh one' });
  await ada.call(['users', 'passwd', '--password-stdin'], { ...env, input: 'old\nnew\n' });
  expect(JSON.parse(server.asked.at(-1)!.body)).toEqual({ current_password: 'old', password: 'new' });
  expect((await ada.call(['users', 'delete', 'bob@example.com', '--yes'], env)).code).toBe(0);
  expect((await ada.call(['users', 'delete', 'nobody', '--yes'], env)).err).toBe(
    "error: there is no user 'nobody': 'patchbay users' lists them\n",
  );
});

test('the audit log follows its pages up to the limit', async () => {
  const path = '/api/management/v1/patchbay/audit';
  const entry = (n: number) => ({
    id: n,
    time: '2026-08-22T10:00:00.000Z',
    actor: { type: 'user', id: 'u1', name: 'ada@example.com' },
    action: 'device_accept',
    object: { type: 'device', id: `d${n}` },
    result: 'ok',
  });
  await using server = await serve({
    [`GET ${path}`]: ({ query }) => {
      const page = Number(query.get('page') ?? 1);
      return {
        json: [entry(page * 2), entry(page * 2 + 1)],
        headers: { link: `<${path}?page=${page + 1}&per_page=2>; rel="next"` },
      };
    },
  });
  await using ada = await person();
  const { out } = await ada.call(['audit', '--limit', '5'], { server: server.url, token: 't' });
  expect(out.trim().split('\n')).toHaveLength(6);
  expect(server.asked.map(({ query }) => query.get('page'))).toEqual([null, '2', '3']);
});
