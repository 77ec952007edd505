import { generateKeyPairSync, sign } from 'node:crypto';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { permissions } from '#proto/http/users';
import { admin, password, stage, type Stage } from './stage.ts';

let server: Stage;
beforeAll(async () => {
  server = await stage();
});
afterAll(() => server.close());

const path = (spec: { path: string }): string => spec.path.replaceAll(/\{\w+\}/g, 'x');

describe('every route', () => {
  it('refuses a caller without a token, one with a wrong token, and one without its permission', async () => {
    const nobody = await server.addUser('nobody@example.com', []);
    const guarded = server.server.routes.filter(({ spec }) => spec.access !== 'public');
    expect(guarded.length).toBeGreaterThan(30);
    for (const { spec } of guarded) {
      const name = `${spec.method} ${spec.path}`;
      expect((await server.call(spec.method, path(spec))).status, name).toBe(401);
      expect((await server.call(spec.method, path(spec), { token: 'a.b.c' })).status, name).toBe(401);
      if ((permissions as readonly string[]).includes(spec.access))
        expect((await server.call(spec.method, path(spec), { token: nobody })).status, name).toBe(403);
      // server-api.md §0.2: some services say that it is the wrong kind of token.
      if (spec.access === 'device')
        expect((await server.call(spec.method, path(spec), { token: nobody })).status, name).toBe(
          spec.path.includes('/deviceconfig/') ? 403 : 401,
        );
    }
  });

  it('that writes in a person’s name is in the audit log', () => {
    const unaudited = server.server.routes
      .filter(({ spec }) => !['GET', 'HEAD'].includes(spec.method) && spec.access !== 'device' && !spec.audit)
      .map(({ spec }) => `${spec.method} ${spec.path}`);
    // Reads by POST, and a device's own request, which its signature guards.
    expect(unaudited.filter((name) => !/search$|statistics\/list$|auth_requests$/.test(name))).toEqual([]);
  });
});

describe('tokens (server-api.md §0.2)', () => {
  const me = '/api/management/v1/useradm/users/me';

  it('logging out ends the token', async () => {
    const token = await server.login();
    expect((await server.call('GET', me, { token })).status).toBe(200);
    expect((await server.call('POST', '/api/management/v1/useradm/auth/logout', { token })).status).toBe(202);
    expect((await server.call('GET', me, { token })).status).toBe(401);
  });

  it('none is taken that another key signed, with whatever algorithm it names', async () => {
    const token = await server.login();
    const [, payload] = token.split('.');
    const claims = JSON.parse(Buffer.from(payload!, 'base64url').toString()) as Record<string, unknown>;
    const header = (alg: string): string => Buffer.from(JSON.stringify({ alg, typ: 'JWT' })).toString('base64url');
    const other = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'EdDSA' })
      .sign(generateKeyPairSync('ed25519').privateKey);
    const secret = await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.alloc(32));
    for (const forged of [
      `${header('none')}.${payload}.`,
      other,
      secret,
      `${token.slice(0, -4)}AAAA`,
      'x'.repeat(20_000),
    ])
      expect((await server.call('GET', me, { token: forged })).status).toBe(401);
  });

  it('a cookie reads, but does not write', async () => {
    const token = await server.login();
    expect((await server.call('GET', me, { headers: { cookie: `a=b; JWT=${token}` } })).status).toBe(200);
    expect(
      (await server.call('POST', '/api/management/v1/useradm/users', { headers: { cookie: `JWT=${token}` }, body: {} }))
        .status,
    ).toBe(401);
  });

  it.each([['Bearer'], ['Bearer a b'], ['Token x'], [''], [undefined]])(
    'a header "%s" is 401 with a challenge, in the words that clients know',
    async (authorization) => {
      const { status, headers, body } = await server.call(
        'GET',
        me,
        authorization === undefined ? {} : { headers: { authorization } },
      );
      expect(status).toBe(401);
      expect(headers.get('www-authenticate')).toBe('Bearer realm="ManagementJWT"');
      expect(body).toMatchObject({
        error: authorization === undefined ? 'Authorization not present in header' : 'malformed Authorization header',
      });
    },
  );

  it("a device's token is not a person's", async () => {
    const key = generateKeyPairSync('ed25519');
    const token = await server.login();
    const pubkey = key.publicKey.export({ type: 'spki', format: 'pem' });
    await server.call('POST', '/api/management/v2/devauth/devices', {
      token,
      body: { identity_data: { mac: '1' }, pubkey },
    });
    const body = JSON.stringify({ id_data: '{"mac":"1"}', pubkey });
    const { text } = await server.call('POST', '/api/devices/v1/authentication/auth_requests', {
      raw: body,
      headers: {
        'content-type': 'application/json',
        'x-men-signature': sign(null, Buffer.from(body), key.privateKey).toString('base64'),
      },
    });
    expect((await server.call('GET', me, { token: text })).status).toBe(401);
    const attributes = '/api/devices/v1/inventory/device/attributes';
    expect((await server.call('PUT', attributes, { token, body: [] })).status).toBe(401);
    for (const told of ['deviceconfig/configurations/device/x', 'iot-manager/integrations']) {
      const answer = await server.call('GET', `/api/management/v1/${told}`, { token: text });
      expect([answer.status, answer.text]).toEqual([403, expect.stringContaining("this is for a user's token")]);
    }
  });
});

describe('people (server-api.md §2.8)', () => {
  it('a wrong password is 401, ten of them are 429 with the time to wait, and the log has them', async () => {
    await server.addUser('slow@example.com', ['read-only']);
    const attempt = (secret: string) =>
      server.call('POST', '/api/management/v1/useradm/auth/login', {
        headers: { authorization: `Basic ${Buffer.from(`slow@example.com:${secret}`).toString('base64')}` },
      });
    for (let i = 0; i < 10; i++) expect((await attempt('wrong')).status).toBe(401);
    const { status, headers } = await attempt(password);
    expect(status).toBe(429);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    const token = await server.login();
    const { body } = await server.call('GET', '/api/management/v1/patchbay/audit?action=login&per_page=5', { token });
    expect(body).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          result: 'refused',
          object: expect.objectContaining({ id: 'slow@example.com' }) as unknown,
        }),
      ]),
    );
  });

  it('a changed password ends the other logins', async () => {
    const first = await server.addUser('two@example.com', ['read-only']);
    const second = await server.login('two@example.com');
    const change = { password: 'another password', current_password: password };
    expect(
      (await server.call('PUT', '/api/management/v1/useradm/users/me', { token: second, body: change })).status,
    ).toBe(204);
    expect((await server.call('GET', '/api/management/v1/useradm/users/me', { token: first })).status).toBe(401);
    expect((await server.call('GET', '/api/management/v1/useradm/users/me', { token: second })).status).toBe(200);
  });

  it('nobody gives himself a role, and the last administrator stays', async () => {
    const token = await server.addUser('climber@example.com', ['support']);
    await server.call('PUT', '/api/management/v1/useradm/users/me', {
      token,
      body: { roles: ['admin'], current_password: password },
    });
    expect((await server.call('GET', '/api/management/v1/useradm/users/me', { token })).body).toMatchObject({
      roles: ['support'],
    });
    const boss = await server.login();
    const { body } = await server.call('GET', `/api/management/v1/useradm/users?email=${encodeURIComponent(admin)}`, {
      token: boss,
    });
    const id = (body as { id: string }[])[0]!.id;
    expect(
      (
        await server.call('PUT', `/api/management/v1/useradm/users/${id}`, {
          token: boss,
          body: { roles: ['support'] },
        })
      ).status,
    ).toBe(422);
    expect((await server.call('DELETE', `/api/management/v1/useradm/users/${id}`, { token: boss })).status).toBe(422);
  });

  it.each([
    ['a short password', { email: 'a@example.com', password: 'short' }],
    ['a password that is the address', { email: 'long@example.com', password: 'long@example.com' }],
    ['no address', { email: 'example', password: 'long enough' }],
    ['a taken address', { email: admin.toUpperCase(), password: 'long enough' }],
    ['an unknown role', { email: 'b@example.com', password: 'long enough', roles: ['__proto__'] }],
  ])('refuses %s with 422', async (_, body) => {
    const { status } = await server.call('POST', '/api/management/v1/useradm/users', {
      token: await server.login(),
      body,
    });
    expect(status).toBe(422);
  });
});

describe('the frame (server-api.md §0.3)', () => {
  it('a refused upload is answered, however much of it is still on its way', async () => {
    const token = await server.addUser('reader@example.com', ['read-only']);
    const raw = Buffer.alloc(8 * 1024 * 1024);
    for (let i = 0; i < 8; i++) {
      const path = '/api/management/v1/deployments/artifacts';
      const headers = { 'content-type': 'multipart/form-data; boundary=x' };
      expect((await server.call('POST', path, { token, raw, headers })).status).toBe(403);
    }
  });

  it('a known path says its methods, to OPTIONS and by 405 to all others; an unknown one is 404', async () => {
    const token = await server.login();
    const path = '/api/management/v1/useradm/users';
    const { status, headers, text } = await server.call('OPTIONS', path);
    expect([status, headers.get('allow'), text]).toEqual([200, 'GET, POST', '']);
    const wrong = await server.call('PATCH', path, { token, body: {} });
    expect([wrong.status, wrong.body]).toMatchObject([405, { error: 'method not allowed' }]);
    const strange = await server.call('GET', `${path}/a/b/c`, { token });
    expect([strange.status, strange.body]).toMatchObject([404, { error: 'not found' }]);
  });

  it('keys that it does not know are ignored, times are in UTC to the millisecond, empty is empty', async () => {
    const token = await server.login();
    const body = { email: 'frame@example.com', password, roles: [], shoe_size: 43 };
    const made = await server.call('POST', '/api/management/v1/useradm/users', { token, body });
    expect([made.status, made.text]).toEqual([201, '']);
    const list = await server.call('GET', '/api/management/v1/useradm/users?email=frame@example.com', { token });
    expect(list.headers.get('content-type')).toMatch(/^application\/json/);
    expect(list.body).toMatchObject([
      { created_ts: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string },
    ]);
  });

  it('names each request: the caller’s name for it, or a new one', async () => {
    const { headers, body } = await server.call('GET', '/api/nope', { headers: { 'x-men-requestid': 'mine-1' } });
    expect(headers.get('x-men-requestid')).toBe('mine-1');
    expect(body).toEqual({ error: 'not found', request_id: 'mine-1' });
    expect((await server.call('GET', '/health')).headers.get('x-men-requestid')).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    ['undecodable JSON', '{', 'application/json', 400],
    ['another type', 'a=b', 'text/plain', 415],
    ['more than a mebibyte', JSON.stringify({ email: 'x'.repeat(1_100_000) }), 'application/json', 413],
    ['JSON that sets a prototype', '{"__proto__":{"email":"a@b","password":"12345678"}}', 'application/json', 400],
  ])('%s is refused in words', async (_, raw, type, status) => {
    const answer = await server.call('POST', '/api/management/v1/useradm/users', {
      token: await server.login(),
      raw,
      headers: { 'content-type': type },
    });
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({
      error: expect.any(String) as string,
      request_id: expect.any(String) as string,
    });
    expect(answer.text).not.toMatch(/\bat .*\.ts/);
  });
});

describe('the paths (server-api.md §0.1)', () => {
  it('what services say to each other is nobody else’s to call', async () => {
    const token = await server.login();
    for (const path of ['devauth/tenants', 'useradm/tenants/x/users', 'inventory/devices', 'deployments/health'])
      expect((await server.call('GET', `/api/internal/v1/${path}`, { token })).status, path).toBe(404);
    expect(server.server.routes.filter(({ spec }) => spec.path.includes('/internal/'))).toEqual([]);
  });

  it('the oldest ones, of before there were versions, lead to the inventory, with its guard', async () => {
    const token = await server.login();
    const device = await server.addDevice();
    const old = '/api/0.1.0';
    const body = [{ name: 'legacy', value: 'yes' }];
    expect((await server.call('PATCH', `${old}/attributes`, { token: device.token, body })).status).toBe(200);
    expect((await server.call('PATCH', `${old}/attributes`, { body })).status).toBe(401);
    expect((await server.call('GET', `${old}/devices/${device.id}`)).status).toBe(401);
    const one = await server.call('GET', `${old}/devices/${device.id}`, { token });
    expect(one.body).toMatchObject({
      id: device.id,
      attributes: expect.arrayContaining([expect.objectContaining({ name: 'legacy', value: 'yes' })]) as unknown,
    });
    const list = await server.call('GET', `${old}/devices?legacy=yes&per_page=1`, { token });
    expect(list.body).toMatchObject([{ id: device.id }]);
    expect(list.headers.get('link')).toContain(`<${old}/devices?legacy=yes&page=1&per_page=1>; rel="first"`);
    expect((await server.call('GET', `${old}/groups`, { token })).body).toEqual([]);
    expect((await server.call('GET', `${old}/nothing`, { token })).status).toBe(404);
  });

  it('no answer is guessed at by a browser', async () => {
    for (const path of ['/health', '/api/nope', '/'])
      expect((await server.call('GET', path)).headers.get('x-content-type-options'), path).toBe('nosniff');
  });
});

describe('lists (server-api.md §0.4)', () => {
  it('a page that cannot be is refused, but by three old ones, which give their first', async () => {
    const token = await server.login();
    const v1 = '/api/management/v1';
    const status = async (path: string) => (await server.call('GET', path, { token })).status;
    for (const path of [
      `${v1}/inventory/devices`,
      `${v1}/deployments/deployments`,
      '/api/management/v2/devauth/devices',
    ])
      for (const query of ['page=0', 'page=x', 'per_page=501', 'per_page=0'])
        expect(await status(`${path}?${query}`), `${path}?${query}`).toBe(400);
    for (const path of [
      `${v1}/deployments/artifacts/list`,
      `${v1}/deployments/deployments/releases/list`,
      '/api/management/v2/deployments/deployments/releases',
    ])
      expect(await status(`${path}?page=x&per_page=9999`), path).toBe(200);
  });
});
