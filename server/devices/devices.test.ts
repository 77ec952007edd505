import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { ConnectState, Device } from '#proto/http/devices';
import { stage, type Answer, type Stage } from '../stage.ts';

let server: Stage;
let token = '';
beforeAll(async () => {
  server = await stage();
  token = await server.login();
});
afterAll(() => server.close());

const requests = '/api/devices/v1/authentication/auth_requests';
const devauth = '/api/management/v2/devauth';
interface Key {
  privateKey: KeyObject;
  publicKey: KeyObject;
}
const pem = (key: Key): string => key.publicKey.export({ type: 'spki', format: 'pem' });
const ed25519 = (): Key => generateKeyPairSync('ed25519');
let last = 0;
const mac = (): string => `02:00:00:00:00:${(++last).toString(16).padStart(2, '0')}`;

/** What a device sends; `tamper` changes the body after it was signed. */
function ask(
  key: Key,
  identity: string,
  change: { tamper?: (body: string) => string; signature?: string | null } = {},
): Promise<Answer> {
  const body = JSON.stringify({ id_data: identity, pubkey: pem(key) });
  const algorithm = key.privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256';
  const signature =
    change.signature === undefined
      ? sign(algorithm, Buffer.from(body), key.privateKey).toString('base64')
      : change.signature;
  return server.call('POST', requests, {
    raw: change.tamper ? change.tamper(body) : body,
    headers: { 'content-type': 'application/json', ...(signature === null ? {} : { 'x-men-signature': signature }) },
  });
}

async function find(identity: Record<string, unknown>): Promise<Device> {
  const { body } = await server.call('GET', `${devauth}/devices?per_page=500`, { token });
  const device = (body as Device[]).find((entry) => JSON.stringify(entry.identity_data) === JSON.stringify(identity));
  if (!device) throw new Error('no such device');
  return device;
}

async function decide(device: Device, status: string, set = device.auth_sets[0]!.id): Promise<Answer> {
  return server.call('PUT', `${devauth}/devices/${device.id}/auth/${set}/status`, { token, body: { status } });
}

async function accepted(key: Key): Promise<{ device: Device; deviceToken: string }> {
  const identity = { mac: mac() };
  await ask(key, JSON.stringify(identity));
  const device = await find(identity);
  expect((await decide(device, 'accepted')).status).toBe(204);
  const { status, text } = await ask(key, JSON.stringify(identity));
  expect(status).toBe(200);
  return { device, deviceToken: text };
}

const inventory = (deviceToken: string): Promise<Answer> =>
  server.call('PUT', '/api/devices/v1/inventory/device/attributes', {
    token: deviceToken,
    body: [{ name: 'a', value: '1' }],
  });

describe('a device asks to come in (server-api.md §1.1)', () => {
  it.each([
    ['RSA 3072', () => generateKeyPairSync('rsa', { modulusLength: 3072 })],
    ['ECDSA P-224', () => generateKeyPairSync('ec', { namedCurve: 'secp224r1' })],
    ['ECDSA P-256', () => generateKeyPairSync('ec', { namedCurve: 'prime256v1' })],
    ['ECDSA P-384', () => generateKeyPairSync('ec', { namedCurve: 'secp384r1' })],
    ['ECDSA P-521', () => generateKeyPairSync('ec', { namedCurve: 'secp521r1' })],
    ['Ed25519', ed25519],
  ])('with a key of type %s: pending, accepted, token, and the token works', async (_, make) => {
    const key = make();
    const identity = { mac: mac() };
    const first = await ask(key, JSON.stringify(identity));
    expect(first.status).toBe(401);
    expect(first.body).toMatchObject({ error: 'dev auth: unauthorized' });
    const device = await find(identity);
    expect(device.status).toBe('pending');
    expect((await decide(device, 'accepted')).status).toBe(204);
    const { status, text, headers } = await ask(key, JSON.stringify(identity));
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^application\/jwt/);
    const claims = JSON.parse(Buffer.from(text.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>;
    const { iat, exp, ...named } = claims as { iat: number; exp: number };
    expect(named).toMatchObject({
      jti: device.auth_sets[0]!.id,
      sub: device.id,
      iss: 'Mender',
      'mender.device': true,
      'mender.plan': 'enterprise',
      'mender.trial': false,
      'mender.addons': ['configure', 'troubleshoot', 'monitor'].map((name) => ({ name, enabled: true })),
    });
    expect(exp - iat).toBe(604_800);
    expect(named).not.toHaveProperty('mender.tenant');
    expect((await inventory(text)).status).toBe(200);
  });

  it('without a signature: 400', async () => {
    const { status, body } = await ask(ed25519(), `{"mac":"${mac()}"}`, { signature: null });
    expect([status, body]).toMatchObject([400, { error: 'missing request signature header' }]);
  });

  it.each([
    ['of another key', () => sign(null, Buffer.from('x'), ed25519().privateKey).toString('base64')],
    ['that is no base64', () => '%%%'],
    ['that is empty base64', () => 'AAAA'],
  ])('with a signature %s: 401, and it is not registered', async (_, signature) => {
    const identity = { mac: mac() };
    const { status, body } = await ask(ed25519(), JSON.stringify(identity), { signature: signature() });
    expect([status, body]).toMatchObject([401, { error: 'signature verification failed' }]);
    await expect(find(identity)).rejects.toThrow('no such device');
  });

  it('with a body that was changed after signing, white space only: 401', async () => {
    const { status } = await ask(ed25519(), `{"mac":"${mac()}"}`, { tamper: (body) => `${body} ` });
    expect(status).toBe(401);
  });

  it.each([
    ['no JSON', 'x'],
    ['a list', '[]'],
    ['null', 'null'],
    ['empty', ''],
  ])('with identity data that is %s: 400', async (_, identity) => {
    const { status, body } = await ask(ed25519(), identity);
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: expect.stringContaining('invalid auth request') as string });
  });

  it('is one device however its identity is spelt', async () => {
    const key = ed25519();
    const address = mac();
    await ask(key, `{"mac":"${address}","sn":"<1>"}`);
    await ask(key, `{ "sn" : "<1>" , "mac" : "${address}" }`);
    const { body } = await server.call('GET', `${devauth}/devices?per_page=500`, { token });
    expect((body as Device[]).filter((device) => device.identity_data['mac'] === address)).toHaveLength(1);
  });

  it('with its key written otherwise is the same, and its tenant and tier are read over (§4.9, §4.12)', async () => {
    const key = ed25519();
    const { device } = await accepted(key);
    const raw = JSON.stringify({
      id_data: JSON.stringify(device.identity_data),
      pubkey: `\n${pem(key).replaceAll('\n', '\r\n')}\n`,
      tenant_token: 'somebody',
      tier: 'micro',
    });
    const headers = {
      'content-type': 'application/json',
      'x-men-signature': sign(null, Buffer.from(raw), key.privateKey).toString('base64'),
    };
    expect((await server.call('POST', requests, { raw, headers })).status).toBe(200);
    expect((await find(device.identity_data)).auth_sets).toHaveLength(1);
  });

  it.each([
    ['no key', ''],
    ['a private one', ed25519().privateKey.export({ type: 'pkcs8', format: 'pem' })],
    ['one of another kind', generateKeyPairSync('x25519').publicKey.export({ type: 'spki', format: 'pem' })],
  ])('with %s: 400', async (_, pubkey) => {
    const raw = JSON.stringify({ id_data: '{"mac":"1"}', pubkey });
    const headers = { 'content-type': 'application/json', 'x-men-signature': 'AAAA' };
    const { status, body } = await server.call('POST', requests, { raw, headers });
    expect(status).toBe(400);
    expect(body).toMatchObject({ error: expect.stringContaining('invalid auth request') as string });
  });

  it('with a body over a mebibyte: 413', async () => {
    const { status } = await ask(ed25519(), JSON.stringify({ mac: 'x'.repeat(1_100_000) }));
    expect(status).toBe(413);
  });
});

describe('an operator decides (server-api.md §2.1)', () => {
  it('a rejected device is out at once, its token is void', async () => {
    const key = ed25519();
    const { device, deviceToken } = await accepted(key);
    expect((await inventory(deviceToken)).status).toBe(200);
    expect((await decide(device, 'rejected')).status).toBe(204);
    expect((await inventory(deviceToken)).status).toBe(401);
    expect((await ask(key, JSON.stringify(device.identity_data))).status).toBe(401);
  });

  it('accepting a second key of a device rejects the first', async () => {
    const first = ed25519();
    const second = ed25519();
    const { device, deviceToken } = await accepted(first);
    await ask(second, JSON.stringify(device.identity_data));
    const again = await find(device.identity_data);
    const set = again.auth_sets.find((entry) => entry.status === 'pending')!;
    expect((await decide(again, 'accepted', set.id)).status).toBe(204);
    expect((await inventory(deviceToken)).status).toBe(401);
    const statuses = (await find(device.identity_data)).auth_sets.map((entry) => entry.status).sort();
    expect(statuses).toEqual(['accepted', 'rejected']);
  });

  it('a decommissioned device is gone, and comes again as a new one', async () => {
    const key = ed25519();
    const { device, deviceToken } = await accepted(key);
    expect((await server.call('DELETE', `${devauth}/devices/${device.id}`, { token })).status).toBe(204);
    expect((await inventory(deviceToken)).status).toBe(401);
    expect((await server.call('GET', `${devauth}/devices/${device.id}`, { token })).status).toBe(404);
    await ask(key, JSON.stringify(device.identity_data));
    expect((await find(device.identity_data)).id).not.toBe(device.id);
  });

  it('a preauthorised device comes in without waiting', async () => {
    const key = ed25519();
    const identity = { mac: mac() };
    const made = await server.call('POST', `${devauth}/devices`, {
      token,
      body: { identity_data: identity, pubkey: pem(key) },
    });
    expect(made.status).toBe(201);
    expect((await ask(key, JSON.stringify(identity))).status).toBe(200);
    const twice = await server.call('POST', `${devauth}/devices`, {
      token,
      body: { identity_data: identity, pubkey: pem(key) },
    });
    expect(twice.status).toBe(409);
    expect(twice.body).toMatchObject({ identity_data: identity, status: 'accepted' });
  });

  it('a device is preauthorised with a second key only by force, and that key takes the place of the first', async () => {
    const key = ed25519();
    const { device, deviceToken } = await accepted(ed25519());
    const body = { identity_data: device.identity_data, pubkey: pem(key) };
    expect((await server.call('POST', `${devauth}/devices`, { token, body })).status).toBe(409);
    const forced = await server.call('POST', `${devauth}/devices`, { token, body: { ...body, force: true } });
    expect([forced.status, forced.headers.get('location')]).toEqual([201, `devices/${device.id}`]);
    expect(await find(device.identity_data)).toMatchObject({ status: 'accepted' });
    expect((await ask(key, JSON.stringify(device.identity_data))).status).toBe(200);
    expect((await inventory(deviceToken)).status).toBe(401);
  });

  it('are found by status and id, by JSON or a form, in pages without a total', async () => {
    const { device } = await accepted(ed25519());
    const search = (body: string, type: string, query = '') =>
      server.call('POST', `${devauth}/devices/search${query}`, { token, raw: body, headers: { 'content-type': type } });
    const form = 'application/x-www-form-urlencoded';
    for (const [body, type] of [
      [JSON.stringify({ status: 'accepted', id: device.id }), 'application/json'],
      [JSON.stringify({ status: ['accepted', 'noauth'], id: [device.id, 'x'] }), 'application/json'],
      [`status=accepted&id=${device.id}`, form],
      [`status=accepted&status=pending&id=${device.id}&id=x`, form],
    ] as const)
      expect((await search(body, type)).body, body).toMatchObject([{ id: device.id }]);
    expect((await search('status=fine', form)).status).toBe(400);
    expect((await search('status: accepted', 'text/yaml')).status).toBe(415);
    const { headers, body } = await search('{}', 'application/json', '?per_page=1');
    expect(body).toHaveLength(1);
    expect(headers.get('link')).toMatch(/rel="first".*rel="next"/);
    expect(headers.get('x-total-count')).toBeNull();
    const count = async (query: string) =>
      ((await server.call('GET', `${devauth}/devices/count${query}`, { token })).body as { count: number }).count;
    expect(await count('?status=accepted')).toBeGreaterThan(0);
    expect(await count('')).toBeGreaterThan(await count('?status=accepted'));
    expect((await server.call('GET', `${devauth}/devices/count?status=fine`, { token })).status).toBe(400);
  });

  it('moves a set by the steps that there are, of its own device only; a dismissed one is gone', async () => {
    const { device } = await accepted(ed25519());
    const { device: other } = await accepted(ed25519());
    const set = device.auth_sets[0]!.id;
    const path = `${devauth}/devices/${device.id}/auth/${set}`;
    expect((await decide(device, 'accepted')).status).toBe(204);
    expect((await decide(device, 'pending')).status).toBe(204);
    expect((await server.call('GET', `${path}/status`, { token })).body).toEqual({ status: 'pending' });
    expect((await decide(other, 'rejected', set)).status).toBe(400);
    const identity = { mac: mac() };
    const body = { identity_data: identity, pubkey: pem(ed25519()) };
    await server.call('POST', `${devauth}/devices`, { token, body });
    const listed = await find(identity);
    for (const to of ['pending', 'rejected', 'accepted']) {
      const { status } = await decide(listed, to);
      expect([to, status]).toEqual([to, 400]);
    }
    expect((await server.call('DELETE', path, { token })).status).toBe(204);
    expect((await server.call('DELETE', path, { token })).status).toBe(404);
    expect(await find(device.identity_data)).toMatchObject({ status: 'noauth', auth_sets: [] });
    // With its only set, a device that never came goes.
    const only = `${devauth}/devices/${listed.id}/auth/${listed.auth_sets[0]!.id}`;
    expect((await server.call('DELETE', only, { token })).status).toBe(204);
    expect((await server.call('GET', `${devauth}/devices/${listed.id}`, { token })).status).toBe(404);
  });

  it('any number of devices may be accepted, and there is no other limit', async () => {
    const limit = (name: string) => server.call('GET', `${devauth}/limits/${name}`, { token });
    expect((await limit('max_devices')).body).toEqual({ limit: -1 });
    expect((await limit('max_cats')).status).toBe(400);
  });

  it('a token taken away is void until the device asks again', async () => {
    const key = ed25519();
    const { device, deviceToken } = await accepted(key);
    expect((await server.call('DELETE', `${devauth}/tokens/${device.auth_sets[0]!.id}`, { token })).status).toBe(204);
    expect((await inventory(deviceToken)).status).toBe(401);
    const again = await ask(key, JSON.stringify(device.identity_data));
    expect((await inventory(again.text)).status).toBe(200);
  });

  it('tokens and decisions outlive a restart of the server', async () => {
    const { deviceToken } = await accepted(ed25519());
    await server.restart();
    expect((await inventory(deviceToken)).status).toBe(200);
  });

  it.each([
    ['an unknown set', () => `${devauth}/devices/x/auth/y/status`, { status: 'accepted' }, 404],
    ['an unknown word', () => `${devauth}/devices/x/auth/y/status`, { status: 'fine' }, 400],
    ['a wrong status filter', () => `${devauth}/devices?status=fine`, undefined, 400],
    ['page 0', () => `${devauth}/devices?page=0`, undefined, 400],
    ['per_page 501', () => `${devauth}/devices?per_page=501`, undefined, 400],
    ['a page that is a word', () => `${devauth}/devices?page=x`, undefined, 400],
  ])('%s is refused', async (_, path, body, status) => {
    expect((await server.call(body ? 'PUT' : 'GET', path(), { token, ...(body ? { body } : {}) })).status).toBe(status);
  });
});

const attributesPath = '/api/devices/v1/inventory/device/attributes';

/** `scope/name` of all that is known of a device. */
async function shown(id: string): Promise<string[]> {
  const { body } = await server.call('GET', `/api/management/v1/inventory/devices/${id}`, { token });
  return (body as { attributes: { scope: string; name: string }[] }).attributes.map((a) => `${a.scope}/${a.name}`);
}

describe('inventory (server-api.md §1.6, §2.5, §3.7)', () => {
  it('replaces what the device reported before, and shows identity and system beside it', async () => {
    const { device, deviceToken } = await accepted(ed25519());
    const put = (body: unknown) =>
      server.call('PUT', '/api/devices/v1/inventory/device/attributes', { token: deviceToken, body });
    expect(
      (
        await put([
          { name: 'kernel', value: 'Linux' },
          { name: 'old', value: 1 },
        ])
      ).status,
    ).toBe(200);
    expect(
      (
        await put([
          { name: 'kernel', value: 'Linux 6' },
          { name: 'ips', value: ['a', 'b'] },
          { name: 'mem', value: 512 },
        ])
      ).status,
    ).toBe(200);
    const { body } = await server.call('GET', `/api/management/v1/inventory/devices/${device.id}`, { token });
    const shown = Object.fromEntries(
      (body as { attributes: { scope: string; name: string; value: unknown }[] }).attributes.map((a) => [
        `${a.scope}/${a.name}`,
        a.value,
      ]),
    );
    expect(shown).toMatchObject({
      'inventory/kernel': 'Linux 6',
      'inventory/ips': ['a', 'b'],
      'inventory/mem': 512,
      'identity/status': 'accepted',
      'identity/mac': device.identity_data['mac'],
    });
    expect(shown).not.toHaveProperty('inventory/old');
    expect(Object.keys(shown)).toEqual(
      expect.arrayContaining(['system/created_ts', 'system/updated_ts', 'system/check_in_time']),
    );
  });

  it('of a fresh device with two facts of identity and three of its own has nine attributes', async () => {
    const key = ed25519();
    const identity = { mac: mac(), sn: '7', status: 'a lie' };
    await ask(key, JSON.stringify(identity));
    const device = await find(identity);
    await decide(device, 'accepted');
    const { text: deviceToken } = await ask(key, JSON.stringify(identity));
    const body = ['a', 'b', 'c'].map((name) => ({ name, value: name, scope: 'system' }));
    await server.call('PUT', attributesPath, { token: deviceToken, body });
    expect((await shown(device.id)).sort()).toEqual([
      'identity/mac',
      'identity/sn',
      'identity/status',
      'inventory/a',
      'inventory/b',
      'inventory/c',
      'system/check_in_time',
      'system/created_ts',
      'system/updated_ts',
    ]);
    const found = await server.call('GET', `/api/management/v1/inventory/devices/${device.id}`, { token });
    expect(found.body).toMatchObject({
      attributes: expect.arrayContaining([expect.objectContaining({ name: 'status', value: 'accepted' })]) as unknown,
    });
  });

  it('PATCH adds to what there is, up to a hundred; what was reported can be forgotten', async () => {
    const { device, deviceToken } = await accepted(ed25519());
    const patch = (names: string[]) =>
      server.call('PATCH', attributesPath, {
        token: deviceToken,
        body: names.map((name) => ({ name, value: 1, description: 'a number' })),
      });
    const many = (n: number) => Array.from({ length: n }, (_, i) => `n${i}`);
    const done = await patch(['a', ...many(60)]);
    expect([done.status, done.text]).toEqual([200, '']);
    expect((await patch(many(99))).status).toBe(200);
    const over = await patch(['one too many']);
    expect([over.status, over.body]).toMatchObject([
      400,
      { error: expect.stringContaining('the number of attributes in the scope is above the limit') as string },
    ]);
    const count = async () => (await shown(device.id)).filter((name) => name.startsWith('inventory/')).length;
    expect(await count()).toBe(100);
    const path = `/api/management/v1/inventory/devices/${device.id}`;
    expect((await server.call('DELETE', path, { token })).status).toBe(204);
    expect(await count()).toBe(0);
    expect(await shown(device.id)).toContain('identity/status');
  });

  it('counts which attributes there are, and devices by status', async () => {
    const { deviceToken } = await accepted(ed25519());
    await inventory(deviceToken);
    const v2 = '/api/management/v2/inventory';
    const attributes = await server.call('GET', `${v2}/filters/attributes`, { token });
    const names = attributes.body as { name: string; scope: string; count: number }[];
    expect(names).toContainEqual({ name: 'status', scope: 'identity', count: expect.any(Number) as number });
    expect(names.map(({ count }) => count)).toEqual(names.map(({ count }) => count).sort((a, b) => b - a));
    const { body } = await server.call('GET', `${v2}/statistics`, { token });
    const counts = { standard: expect.any(Number) as number, micro: 0, system: 0 };
    expect(body).toEqual({ devices_by_status: { accepted: counts, pending: counts } });
  });

  it.each([
    ['a boolean', [{ name: 'a', value: true }]],
    ['null', [{ name: 'a', value: null }]],
    ['a mixed list', [{ name: 'a', value: ['1', 2] }]],
    ['a long name', [{ name: 'x'.repeat(1025), value: 1 }]],
    ['an object', [{ name: 'a', value: {} }]],
    ['no value', [{ name: 'a' }]],
    ['an empty name', [{ name: '', value: '1' }]],
    ['no list', { name: 'a', value: '1' }],
    ['101 attributes', Array.from({ length: 101 }, (_, i) => ({ name: `a${i}`, value: i }))],
  ])('refuses %s with 400', async (_, body) => {
    const { deviceToken } = await accepted(ed25519());
    expect(
      (await server.call('PUT', '/api/devices/v1/inventory/device/attributes', { token: deviceToken, body })).status,
    ).toBe(400);
  });

  it('finds devices by every operator', async () => {
    const { device, deviceToken } = await accepted(ed25519());
    await server.call('PUT', '/api/devices/v1/inventory/device/attributes', {
      token: deviceToken,
      body: [
        { name: 'zone', value: 'hall-7' },
        { name: 'cpu', value: 8 },
        { name: 'nets', value: ['eth0', 'wlan0'] },
      ],
    });
    const search = async (...filters: unknown[]): Promise<string[]> => {
      const { body, status } = await server.call('POST', '/api/management/v2/inventory/filters/search', {
        token,
        body: { filters, per_page: 500 },
      });
      expect(status).toBe(200);
      return (body as { id: string }[]).map((found) => found.id);
    };
    const f = (attribute: string, type: string, value: unknown, scope = 'inventory') => ({
      scope,
      attribute,
      type,
      value,
    });
    const only = f('zone', '$eq', 'hall-7');
    for (const hit of [
      only,
      f('cpu', '$gt', 7),
      f('cpu', '$gte', 8),
      f('cpu', '$lt', 9),
      f('cpu', '$lte', 8),
      f('zone', '$in', ['x', 'hall-7']),
      f('nets', '$eq', 'wlan0'),
      f('zone', '$regex', 'all-[0-9]'),
      f('zone', '$exists', true),
      f('zone', '$ne', 'x'),
      f('zone', '$nin', ['x']),
      f('status', '$eq', 'accepted', 'identity'),
      f('id', '$eq', device.id, 'identity'),
    ])
      expect(await search(only, hit), JSON.stringify(hit)).toEqual([device.id]);
    for (const miss of [
      f('cpu', '$gt', 8),
      f('cpu', '$eq', '8'),
      f('zone', '$regex', '^all'),
      f('zone', '$exists', false),
      f('zone', '$ne', 'hall-7'),
    ])
      expect(await search(only, miss), JSON.stringify(miss)).toEqual([]);
  });

  it('a filter that means nothing is refused, and says which', async () => {
    for (const term of [
      { attribute: 'zone', type: '$regex', value: '(' },
      { attribute: 'zone', type: '$regex', value: 7 },
      { attribute: 'zone', type: '$in', value: 'x' },
      { attribute: 'zone', type: '$exists', value: 'yes' },
      { attribute: 'zone', type: '$eq', value: ['x'] },
    ]) {
      const { status, body } = await server.call('POST', '/api/management/v2/inventory/filters/search', {
        token,
        body: { filters: [{ scope: 'inventory', ...term }] },
      });
      expect([status, (body as { error: string }).error]).toEqual([400, expect.stringContaining('zone')]);
    }
  });

  it('a regular expression that would run for ever does not', async () => {
    const { deviceToken } = await accepted(ed25519());
    await server.call('PUT', '/api/devices/v1/inventory/device/attributes', {
      token: deviceToken,
      body: [{ name: 'evil', value: 'a'.repeat(5000) }],
    });
    const started = performance.now();
    await server.call('POST', '/api/management/v2/inventory/filters/search', {
      token,
      body: { filters: [{ scope: 'inventory', attribute: 'evil', type: '$regex', value: '(a+)+$b' }] },
    });
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe('what people add to devices (server-api.md §2.4)', () => {
  const v1 = '/api/management/v1/inventory';

  it('tags are replaced or merged, guarded by the version that was read, and at most twenty', async () => {
    const { device } = await accepted(ed25519());
    const path = `${v1}/devices/${device.id}`;
    const etag = async () => (await server.call('GET', path, { token })).headers.get('etag')!;
    const tags = async (method: string, names: string[], ifMatch?: string) => {
      const body = names.map((name) => ({ name, value: 'x' }));
      const headers: Record<string, string> = ifMatch === undefined ? {} : { 'if-match': ifMatch };
      return (await server.call(method, `${path}/tags`, { token, body, headers })).status;
    };
    const first = await etag();
    expect(await tags('PUT', ['a', 'b'], first)).toBe(200);
    expect(await tags('PUT', ['c'], first)).toBe(412);
    expect(await tags('PATCH', ['c'], await etag())).toBe(200);
    const mine = async () => (await shown(device.id)).filter((name) => name.startsWith('tags/'));
    expect(await mine()).toEqual(['tags/a', 'tags/b', 'tags/c']);
    const many = (n: number) => Array.from({ length: n }, (_, i) => `t${i}`);
    expect(await tags('PATCH', many(18))).toBe(400);
    expect(await tags('PUT', many(21))).toBe(400);
    expect(await mine()).toEqual(['tags/a', 'tags/b', 'tags/c']);
    expect(await tags('PUT', many(20))).toBe(200);
    const wrong = await server.call('PUT', `${path}/tags`, { token, body: [{ name: 'a', value: 1 }] });
    expect(wrong.status).toBe(400);
  });

  it('a group is there while it has members, counts of nothing are left out, and a device has one', async () => {
    const [one, two] = [(await accepted(ed25519())).device.id, (await accepted(ed25519())).device.id];
    const call = async (method: string, path: string, body?: unknown) => {
      const answer = await server.call(method, v1 + path, { token, ...(body === undefined ? {} : { body }) });
      return [answer.status, answer.body];
    };
    expect(await call('GET', `/devices/${one}/group`)).toEqual([200, { group: null }]);
    expect(await call('PUT', `/devices/${one}/group`, { group: 'a b' })).toMatchObject([400, {}]);
    expect(await call('PUT', '/devices/nobody/group', { group: 'east' })).toMatchObject([404, {}]);
    expect(await call('PUT', `/devices/${one}/group`, { group: 'east' })).toEqual([204, undefined]);
    const both = { matched_count: 2, updated_count: 1 };
    expect(await call('PATCH', '/groups/east/devices', [one, two])).toEqual([200, both]);
    expect(await call('PATCH', '/groups/east/devices', [two])).toEqual([200, { matched_count: 1 }]);
    expect(await call('PATCH', '/groups/east/devices', [])).toMatchObject([400, {}]);
    const members = await server.call('GET', `${v1}/groups/east/devices?per_page=1`, { token });
    expect([members.body, members.headers.get('x-total-count')]).toEqual([[[one, two].sort()[0]], '2']);
    expect(await call('PUT', `/devices/${two}/group`, { group: 'west' })).toEqual([204, undefined]);
    expect(await call('GET', '/groups?status=accepted')).toEqual([200, ['east', 'west']]);
    expect(await call('GET', '/groups?status=rejected')).toEqual([200, []]);
    expect(await call('DELETE', `/devices/${two}/group/east`)).toMatchObject([404, {}]);
    expect(await call('DELETE', `/devices/${two}/group/west`)).toEqual([204, undefined]);
    expect(await call('GET', '/groups/west/devices')).toMatchObject([404, {}]);
    expect(await call('DELETE', '/groups/east/devices', [one])).toEqual([200, { matched_count: 1, updated_count: 1 }]);
    expect(await call('DELETE', '/groups/east')).toEqual([200, {}]);
    expect(await call('DELETE', '/groups/a%20b')).toMatchObject([400, {}]);
  });

  it('a list is filtered by any attribute, sorted by one, and says whether there is a group', async () => {
    const mark = mac();
    const ids: string[] = [];
    for (const rank of [2, 1, 3]) {
      const { device, deviceToken } = await accepted(ed25519());
      ids.push(device.id);
      const body = [
        { name: 'mark', value: mark },
        { name: 'rank', value: rank },
      ];
      await server.call('PUT', attributesPath, { token: deviceToken, body });
    }
    await server.call('PUT', `${v1}/devices/${ids[0]!}/group`, { token, body: { group: 'ranked' } });
    const list = async (query: string) => {
      const { body } = await server.call('GET', `${v1}/devices?mark=${mark}&${query}`, { token });
      return (body as { id: string }[]).map(({ id }) => id);
    };
    const [two, one, three] = ids;
    expect(await list('sort=rank:asc')).toEqual([one, two, three]);
    expect(await list('sort=inventory/rank')).toEqual([three, two, one]);
    expect(await list('rank=eq:2')).toEqual([two]);
    expect(await list('identity/status=accepted&rank=3')).toEqual([three]);
    expect(await list('has_group=true')).toEqual([two]);
    expect(new Set(await list('has_group=false'))).toEqual(new Set([one, three]));
    expect(await list('group=ranked')).toEqual([two]);
    expect((await server.call('GET', `${v1}/devices?nowhere/x=1`, { token })).status).toBe(400);
  });
});

it('TERM-1 TRB-6 a device is connected while its socket is open, and each change has its time', async () => {
  const { device, deviceToken } = await accepted(ed25519());
  const becomes = async (status: string): Promise<ConnectState> => {
    for (;;) {
      const { body } = await server.call('GET', `/api/management/v1/deviceconnect/devices/${device.id}`, { token });
      if ((body as ConnectState).status === status) return body as ConnectState;
    }
  };
  const states = [await becomes('disconnected')];
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/devices/v1/deviceconnect/connect`, {
    headers: { authorization: `Bearer ${deviceToken}` },
  });
  const asked = new Date().toISOString();
  states.push(await becomes('connected'));
  // Times are in milliseconds: the next change has another one.
  await sleep(2);
  socket.terminate();
  states.push(await becomes('disconnected'));
  const times = states.map(({ updated_ts }) => updated_ts);
  expect(times).toEqual([...new Set(times)].sort());
  expect(times[1]! >= asked).toBe(true);
  expect(new Set(states.map(({ created_ts }) => created_ts)).size).toBe(1);
});

describe('a device that is not connected (server-api.md §2.6)', () => {
  const v1 = '/api/management/v1/deviceconnect';

  it('H-77 TRB-3 is said to be so, and cannot be told anything; an unknown one is not there', async () => {
    const { device } = await accepted(ed25519());
    const state = await server.call('GET', `${v1}/devices/${device.id}`, { token });
    expect(state.body).toEqual({
      device_id: device.id,
      status: 'disconnected',
      created_ts: expect.any(String) as string,
      updated_ts: expect.any(String) as string,
    });
    expect((await server.call('GET', `${v1}/devices/nobody`, { token })).status).toBe(404);
    for (const id of [device.id, 'nobody'])
      for (const what of ['check-update', 'send-inventory'])
        expect((await server.call('POST', `${v1}/devices/${id}/${what}`, { token })).status).toBe(404);
    expect((await server.call('GET', `${v1}/devices/${device.id}/download?path=etc`, { token })).status).toBe(400);
  });
});
