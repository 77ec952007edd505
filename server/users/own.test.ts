import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { admin, password, stage, type Stage } from '../stage.ts';

const base = '/api/management/v1/useradm';
let server: Stage;
let token = '';
beforeAll(async () => {
  server = await stage();
  token = await server.login();
});
afterAll(() => server.close());

describe('settings (server-api.md §2.8, §5)', () => {
  it('are empty at first, are kept, and the second of two who read the same version is told', async () => {
    const first = await server.call('GET', `${base}/settings`, { token });
    expect(first.body).toEqual({});
    const etag = first.headers.get('etag')!;
    const put = (body: unknown) =>
      server.call('POST', `${base}/settings`, { token, body, headers: { 'if-match': etag } });
    expect((await put({ theme: 'dark' })).status).toBe(201);
    expect((await put({ theme: 'light' })).status).toBe(412);
    expect((await server.call('GET', `${base}/settings`, { token })).body).toEqual({ theme: 'dark' });
  });

  it('of one user are not another’s', async () => {
    const other = await server.addUser('other@example.com', ['read-only']);
    expect((await server.call('POST', `${base}/settings/me`, { token, body: { columns: 3 } })).status).toBe(201);
    expect((await server.call('GET', `${base}/settings/me`, { token: other })).body).toEqual({});
    expect((await server.call('POST', `${base}/settings`, { token: other, body: {} })).status).toBe(403);
  });

  it.each([
    ['a list', []],
    ['a long key', { ['k'.repeat(129)]: 1 }],
    ['a long text', { k: 'x'.repeat(4097) }],
    ['many keys', Object.fromEntries(Array.from({ length: 1025 }, (_, i) => [`k${i}`, i]))],
  ])('refuse %s with 400', async (_, body) => {
    expect((await server.call('POST', `${base}/settings/me`, { token, body })).status).toBe(400);
  });
});

describe('access tokens (server-api.md §2.8, §5)', () => {
  const make = (name: string, expires_in = 0) =>
    server.call('POST', `${base}/settings/tokens`, { token, body: { name, expires_in } });

  it('work like a login until they are removed, and are shown once', async () => {
    const made = await make('ci');
    expect(made.status).toBe(200);
    const me = () => server.call('GET', `${base}/users/me`, { token: made.text });
    expect((await me()).status).toBe(200);
    const { body, text } = await server.call('GET', `${base}/settings/tokens`, { token });
    expect(text).not.toContain(made.text);
    const [listed] = body as { id: string; name: string; last_used?: string }[];
    expect(listed).toMatchObject({ name: 'ci', last_used: expect.any(String) as string });
    expect((await server.call('DELETE', `${base}/settings/tokens/${listed!.id}`, { token })).status).toBe(204);
    expect((await me()).status).toBe(401);
  });

  it('have names of their own, at most ten, and an end', async () => {
    expect((await make('a', 3600)).status).toBe(200);
    expect((await make('a')).status).toBe(409);
    for (let i = 0; i < 9; i++) expect((await make(`b${i}`)).status).toBe(200);
    expect((await make('c')).status).toBe(422);
    expect((await make('d', 31_536_001)).status).toBe(400);
    const { body } = await server.call('GET', `${base}/settings/tokens`, { token });
    expect(
      (body as { name: string; expiration_date?: string }[]).find((entry) => entry.name === 'a')?.expiration_date,
    ).toMatch(/Z$/);
  });
});

describe('users (server-api.md §2.8)', () => {
  const users = `${base}/users`;
  const make = async (email: string) => {
    const { headers } = await server.call('POST', users, { token, body: { email, password, roles: [] } });
    return `${users}/${headers.get('location')!.split('/').at(-1)!}`;
  };

  it('are listed by id, email, and when they were made and changed', async () => {
    await make('Now@Example.com');
    const emails = async (query: string) => {
      const { body } = await server.call('GET', `${users}?email=now@example.com&email=nobody@example.com&${query}`, {
        token,
      });
      return (body as { email: string }[]).map(({ email }) => email);
    };
    const seconds = Math.floor(Date.now() / 1000);
    const [past, future] = [seconds - 3600, seconds + 3600];
    expect(await emails('')).toEqual(['now@example.com']);
    for (const what of ['created', 'updated']) {
      expect(await emails(`${what}_after=${past}&${what}_before=${future}`), what).toEqual(['now@example.com']);
      expect(await emails(`${what}_after=${future}`), what).toEqual([]);
      expect(await emails(`${what}_before=${past}`), what).toEqual([]);
    }
    expect((await server.call('GET', `${users}?created_after=yesterday`, { token })).status).toBe(400);
  });

  it('of two who change the same version of one the second is told; removing one twice is 204 both times', async () => {
    const path = await make('both@example.com');
    const etag = (await server.call('GET', path, { token })).headers.get('etag')!;
    const put = (email: string) => server.call('PUT', path, { token, body: { email }, headers: { 'if-match': etag } });
    expect((await put('first@example.com')).status).toBe(204);
    expect((await put('second@example.com')).status).toBe(409);
    expect((await server.call('GET', path, { token })).body).toMatchObject({ email: 'first@example.com' });
    expect((await server.call('PUT', path, { token, body: { email: 'third@example.com' } })).status).toBe(204);
    expect((await server.call('DELETE', path, { token })).status).toBe(204);
    expect((await server.call('DELETE', path, { token })).status).toBe(204);
    expect((await server.call('GET', path, { token })).status).toBe(404);
  });

  it('a token has the claims that clients look for, and no end if it was wanted so', async () => {
    const claims = (jwt: string, part = 1) =>
      JSON.parse(Buffer.from(jwt.split('.')[part]!, 'base64url').toString()) as Record<string, unknown>;
    const { iat, exp, ...rest } = claims(token) as { iat: number; exp: number };
    expect(exp - iat).toBe(604_800);
    expect(rest).toMatchObject({ iss: 'mender.useradm', scp: 'mender.*', 'mender.user': true });
    expect(claims(token, 0)['kid']).toBeTypeOf('number');
    const authorization = `Basic ${Buffer.from(`${admin}:${password}`).toString('base64')}`;
    const headers = { authorization };
    const endless = await server.call('POST', `${base}/auth/login`, { headers, body: { no_expiry: true } });
    expect(endless.headers.get('content-type')).toMatch(/^application\/jwt/);
    expect(claims(endless.text)).not.toHaveProperty('exp');
  });

  it('old clients are told of a plan that has it all', async () => {
    const plans = await server.call('GET', `${base}/plans?page=1&per_page=20`, { token });
    expect(plans.body).toMatchObject([{ name: 'enterprise', features: { rbac: true, audit_logs: true } }]);
    expect((await server.call('GET', `${base}/plan_binding`, { token })).body).toMatchObject({
      plan: (plans.body as unknown[])[0],
    });
  });
});
