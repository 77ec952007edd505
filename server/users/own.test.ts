import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stage, type Stage } from '../stage.ts';

const base = '/api/management/v1/useradm';
let server: Stage;
let token = '';
beforeAll(async () => {
  server = await stage();
  token = await server.login();
});
afterAll(() => server.close());

describe('settings', () => {
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

describe('access tokens', () => {
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
