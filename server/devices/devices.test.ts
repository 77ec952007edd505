import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Device } from '#proto/http/devices';
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

// server-api.md §1.1.
describe('a device asks to come in', () => {
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
    expect(claims).toMatchObject({ sub: device.id, iss: 'Mender', 'mender.device': true });
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

  it('with a body over a mebibyte: 413', async () => {
    const { status } = await ask(ed25519(), JSON.stringify({ mac: 'x'.repeat(1_100_000) }));
    expect(status).toBe(413);
  });
});

// server-api.md §2.1.
describe('an operator decides', () => {
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

// server-api.md §1.6, §2.5, §3.7.
describe('inventory', () => {
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

  it.each([
    ['a boolean', [{ name: 'a', value: true }]],
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
