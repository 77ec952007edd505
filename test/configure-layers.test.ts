// Settings of the fleet, of groups and of devices over the API: the server half of the add-on configure in the real server.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { stage, type Stage } from '../server/stage.ts';

const own = '/api/devices/v1/deviceconfig/configuration';
const base = '/api/management/v1/patchbay/configuration';
const reference = '/api/management/v1/deviceconfig/configurations/device';

interface Device {
  readonly id: string;
  readonly token: string;
}
type Key = { key: string; desired?: string; reported?: string; since: string };
interface Whole {
  readonly effective: { key: string; value: string; secret: boolean; origin: object; overrides: object[] }[];
  readonly state: string;
  readonly own: { values: object; revision: number };
  readonly reported: object;
  readonly drift?: { since: string; keys: Key[] };
  readonly deployment_id: string;
}

describe('settings by layer', () => {
  let server: Stage;
  let token = '';
  let device: Device;
  let groups = 0;
  beforeAll(async () => {
    server = await stage();
    token = await server.login();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    device = await server.addDevice();
    await patch('fleet', { unset: Object.keys((await get<{ values: object }>('fleet')).values) });
    expect((await put('schema', { properties: {} })).status).toBe(204);
  });

  const call = (method: string, path: string, body?: unknown, as = token) =>
    server.call(method, path.startsWith('/') ? path : `${base}/${path}`, {
      token: as,
      ...(body === undefined ? {} : { body }),
    });
  const get = async <T>(path: string): Promise<T> => {
    const answer = await call('GET', path);
    expect([path, answer.status, answer.text.slice(0, 200)]).toEqual([path, 200, expect.anything()]);
    return answer.body as T;
  };
  const patch = (path: string, body: object) => call('PATCH', path, body);
  const put = (path: string, body: object) => call('PUT', path, body);
  const post = (path: string, body?: object) => call('POST', path, body);
  const view = (id = device.id) => get<Whole>(`devices/${id}`);
  const group = async (...members: Device[]): Promise<string> => {
    const name = `group-${++groups}`;
    const ids = members.map(({ id }) => id);
    const answer = await server.call(
      'PATCH',
      `/api/management/v1/patchbay/groups/${encodeURIComponent(name)}/devices`,
      {
        token,
        body: ids,
      },
    );
    expect(answer.status, answer.text).toBe(200);
    return name;
  };
  const at = (name: string) => `groups/${encodeURIComponent(name)}`;
  const report = (body: object, of = device) => server.call('PUT', own, { token: of.token, body });
  /** Does what the device was sent, as its client would. */
  const update = async (status: string, of = device): Promise<Record<string, string>> => {
    const deployments = '/api/devices/v1/deployments/device/deployments';
    const next = await server.call('GET', `${deployments}/next?artifact_name=r&device_type=q`, { token: of.token });
    expect(next.status).toBe(200);
    const { id } = next.body as { id: string };
    const done = await server.call('PUT', `${deployments}/${id}/status`, { token: of.token, body: { status } });
    expect(done.status).toBe(204);
    return (await server.call('GET', own, { token: of.token })).body as Record<string, string>;
  };

  it('of the fleet, of groups and of a device add up, the nearest wins, and where each comes from is said', async () => {
    const [low, high] = [await group(device), await group(device)];
    await patch('fleet', { set: { a: 'fleet', b: 'fleet', c: 'fleet', d: 'fleet' } });
    await patch(at(low), { set: { b: 'low', c: 'low', d: 'low' } });
    await patch(at(high), { set: { c: 'high', d: 'high' }, priority: 5 });
    await patch(`devices/${device.id}`, { set: { d: 'own' } });
    const where = {
      low: { kind: 'group', name: low },
      high: { kind: 'group', name: high },
      fleet: { kind: 'fleet', name: '' },
    };
    const mine = { kind: 'device', name: device.id };
    expect((await view()).effective).toEqual([
      { key: 'a', value: 'fleet', secret: false, origin: where.fleet, overrides: [] },
      { key: 'b', value: 'low', secret: false, origin: where.low, overrides: [where.fleet] },
      { key: 'c', value: 'high', secret: false, origin: where.high, overrides: [where.low, where.fleet] },
      { key: 'd', value: 'own', secret: false, origin: mine, overrides: [where.high, where.low, where.fleet] },
    ]);
    expect((await server.call('GET', own, { token: device.token })).body).toEqual({
      a: 'fleet',
      b: 'low',
      c: 'high',
      d: 'own',
    });
    // What the reference calls configured is the device's own.
    expect((await get<{ configured: object }>(`${reference}/${device.id}`)).configured).toEqual({ d: 'own' });
    // Of the same priority the name that comes first wins, in whatever order the device came into them.
    await patch(at(high), { priority: 0 });
    expect((await view()).effective[2]).toMatchObject({ value: 'low', overrides: [where.high, where.fleet] });
    const listed = await get<{ name: string }[]>('groups');
    expect(listed.map(({ name }) => name).filter((name) => name === low || name === high)).toEqual([low, high]);
    // Another device has those of the fleet only.
    expect((await view((await server.addDevice()).id)).effective.every(({ value }) => value === 'fleet')).toBe(true);
  });

  it('of a dynamic group are those of whoever is in it now', async () => {
    const name = `dynamic-${++groups}`;
    const terms = [{ scope: 'inventory', attribute: 'site', type: '$eq', value: 'north' }];
    const made = await server.call('POST', '/api/management/v1/patchbay/groups', { token, body: { name, terms } });
    expect(made.status, made.text).toBe(201);
    expect((await patch(at(name), { set: { a: 'north' } })).status).toBe(200);
    expect((await view()).effective).toEqual([]);
    const attributes = [{ name: 'site', value: 'north' }];
    await server.call('PUT', '/api/devices/v1/inventory/device/attributes', { token: device.token, body: attributes });
    expect((await view()).effective).toMatchObject([{ key: 'a', value: 'north' }]);
    expect((await post(`${at(name)}/deploy`)).body).toMatchObject({ sent: [{ device_id: device.id }] });
  });

  it('are sent to whom they concern, and to nobody who has them or to whom they are on their way (CFG-6)', async () => {
    const other = await server.addDevice();
    const name = await group(device, other);
    await patch(at(name), { set: { timezone: 'UTC' } });
    expect((await view()).state).toBe('changed');
    await report({ timezone: 'UTC' }, other);
    expect((await view(other.id)).state).toBe('current');
    const first = await post(`${at(name)}/deploy`);
    expect(first.body).toMatchObject({ sent: [{ device_id: device.id }], unchanged: 1 });
    expect((await post(`${at(name)}/deploy`)).body).toEqual({ sent: [], unchanged: 2 });
    expect((await view()).state).toBe('pending');
    expect(await update('success')).toEqual({ timezone: 'UTC' });
    expect((await view()).state).toBe('pending'); // applied, and not reported yet
    await report({ timezone: 'UTC' });
    expect(await view()).toMatchObject({ state: 'current', reported: { timezone: 'UTC' } });
    expect((await view()).drift).toBeUndefined();
    const listed = await get<{ id: string }[]>('/api/management/v1/deployments/deployments?type=configuration');
    const { deployment_id: id } = (first.body as { sent: { deployment_id: string }[] }).sent[0]!;
    expect(listed).toContainEqual(expect.objectContaining({ id, type: 'configuration', name: `configuration-${id}` })); // CFG-4
  });

  it('that failed are called so, and sending them again is another deployment (CFG-17)', async () => {
    await patch(`devices/${device.id}`, { set: { a: 'b' } });
    const deploy = async () => (await post(`${reference}/${device.id}/deploy`, {})).body as { deployment_id: string };
    const first = await deploy();
    await update('failure');
    expect(await view()).toMatchObject({ state: 'failed', deployment_id: first.deployment_id });
    const again = await deploy();
    expect(again.deployment_id).not.toBe(first.deployment_id);
    expect((await view()).state).toBe('pending');
  });

  it('that change while others are on their way come after those, and the newest stay (CFG-18)', async () => {
    const bodies = [{ a: '1' }, { a: '2' }];
    const ids: string[] = [];
    for (const body of bodies) {
      await call('PUT', `${reference}/${device.id}`, body);
      ids.push(((await post(`${reference}/${device.id}/deploy`, {})).body as { deployment_id: string }).deployment_id);
    }
    const next = async () =>
      (
        await server.call('GET', '/api/devices/v1/deployments/device/deployments/next?artifact_name=r&device_type=q', {
          token: device.token,
        })
      ).body as { id: string };
    expect((await next()).id).toBe(ids[0]);
    expect((await next()).id).toBe(ids[0]);
    await update('success');
    expect((await next()).id).toBe(ids[1]);
    expect(await update('success')).toEqual({ a: '2' });
    await report({ a: '2' });
    expect((await view()).state).toBe('current');
  });

  it('that differ from those a device reports are shown, with since when', async () => {
    await report({ a: 'x', extra: 'e' });
    expect((await view()).drift).toBeUndefined(); // nobody ever said what it is to have
    await patch('fleet', { set: { a: 'y', b: 'z' } });
    const { drift } = await view();
    expect(drift?.keys).toMatchObject([
      { key: 'a', desired: 'y', reported: 'x' },
      { key: 'b', desired: 'z' },
      { key: 'extra', reported: 'e' },
    ]);
    expect(drift?.keys[1]).not.toHaveProperty('reported');
    // Since is when it came up: the report of the extra one came before the change of the others.
    expect(drift!.keys[2]!.since < drift!.keys[0]!.since).toBe(true);
    expect(drift!.since).toBe(drift!.keys[2]!.since);
    // It stays what it was when something else changes, or the same is reported again.
    await patch('fleet', { set: { c: 'new' } });
    await report({ a: 'x', extra: 'e' });
    expect((await view()).drift?.keys.find(({ key }) => key === 'a')).toEqual(drift!.keys[0]);
    // A layer that loses does not matter.
    await patch(`devices/${device.id}`, { set: { a: 'own' } });
    const since = (await view()).drift!.keys[0]!.since;
    await patch('fleet', { set: { a: 'other' } });
    expect((await view()).drift!.keys[0]).toMatchObject({ desired: 'own', since });
    await report({ a: 'own', b: 'z', c: 'new' });
    expect((await view()).drift).toBeUndefined();
    // One that was sent and changed by somebody on the device itself.
    await post(`${reference}/${device.id}/deploy`, {});
    await update('success');
    await report({ a: 'own', b: 'z', c: 'by hand' });
    expect(await view()).toMatchObject({ state: 'drifted', drift: { keys: [{ key: 'c', reported: 'by hand' }] } });
    const name = await group(device, await server.addDevice());
    const listed = await call('GET', `drift?group=${encodeURIComponent(name)}`);
    expect(listed.headers.get('x-total-count')).toBe('2');
    expect(listed.body).toContainEqual(expect.objectContaining({ device_id: device.id, state: 'drifted' }));
    expect((await call('GET', `drift?group=${encodeURIComponent(name)}&per_page=501`)).status).toBe(400);
  });

  it('have a history of who changed what and when, and go back in one step', async () => {
    const operator = await server.addUser('configures@example.com', ['operator']);
    const path = `devices/${device.id}`;
    await call('PATCH', path, { set: { a: '1', b: '1' } }, operator);
    await patch(path, { set: { a: '2' }, unset: ['b'] });
    await patch(path, { set: { a: '2' } }); // changes nothing
    type Revision = { revision: number; by: string; ts: string; reverts?: number; changes: object[]; values: object };
    const history = (query = '') => get<Revision[]>(`${path}/history${query}`);
    expect(await history()).toEqual([
      {
        revision: 2,
        by: 'admin@example.com',
        ts: expect.stringMatching(/^\d{4}-.*Z$/),
        values: { a: '2' },
        changes: [
          { key: 'a', before: '1', after: '2', secret: false },
          { key: 'b', before: '1', secret: false },
        ],
      },
      expect.objectContaining({
        revision: 1,
        by: 'configures@example.com',
        changes: [
          { key: 'a', after: '1', secret: false },
          { key: 'b', after: '1', secret: false },
        ],
      }),
    ]);
    const back = await post(`${path}/revert`, { revision: 1 });
    expect(back.body).toMatchObject({ values: { a: '1', b: '1' }, revision: 3 });
    expect((await history('?limit=1'))[0]).toMatchObject({ revision: 3, reverts: 1, values: { a: '1', b: '1' } });
    expect((await history('?limit=1&before=3'))[0]).toMatchObject({ revision: 2 });
    expect((await post(`${path}/revert`, { revision: 9 })).status).toBe(404);
    expect((await post(`${path}/revert`, { revision: 0 })).status).toBe(400);
    // 100 are kept, and the oldest has lost what it was compared with.
    for (let n = 4; n <= 105; n += 1) await patch(path, { set: { n: String(n) } });
    const all = await history('?limit=100');
    expect(all.map(({ revision }) => revision)).toEqual(Array.from({ length: 100 }, (_, i) => 105 - i));
    expect(all[99]).toHaveProperty('changes');
    expect((await history('?before=6')).map((each) => [each.revision, 'changes' in each])).toEqual([[5, false]]);
  }, 120_000);

  it('are refused by the schema before they are sent, in words (400)', async () => {
    const properties = {
      timezone: { enum: ['UTC', 'Europe/Berlin'], title: 'Time zone' },
      port: { type: 'integer', minimum: 1, maximum: 65535 },
      ratio: { type: 'number' },
      led: { type: 'boolean' },
      name: { pattern: '^[a-z]+$', maxLength: 8 },
    };
    await patch(`devices/${device.id}`, { set: { old: 'from before', port: 'any' } });
    expect((await put('schema', { properties, additionalProperties: false })).status).toBe(204);
    expect(await get('schema')).toEqual({ properties, additionalProperties: false });
    const cases: [Record<string, string>, RegExp][] = [
      [{ timezone: 'Mars' }, /timezone: the value must be equal to one of the allowed values: UTC, Europe\/Berlin/],
      [{ port: '0' }, /port: the value must be >= 1/],
      [{ port: '8080x' }, /port: the value must be integer/],
      [{ port: '' }, /port: the value must be integer/],
      [{ ratio: 'x' }, /ratio: the value must be number/],
      [{ led: 'on' }, /led: the value must be boolean/],
      [{ name: 'UPPER' }, /name: the value must match pattern/],
      [{ name: 'waytoolong' }, /name: the value must NOT have more than 8/],
      [{ other: 'x' }, /other: there is no such setting in the schema/],
    ];
    for (const [set, words] of cases)
      for (const answer of [
        await patch(`devices/${device.id}`, { set }),
        await call('PUT', `${reference}/${device.id}`, set),
        await patch('fleet', { set }),
      ])
        expect([set, answer.status, answer.text]).toEqual([set, 400, expect.stringMatching(words)]);
    const good = { timezone: 'UTC', port: '8080', ratio: '0.5', led: 'true', name: 'abc' };
    expect((await patch(`devices/${device.id}`, { set: good })).status).toBe(200);
    // What was there before the schema stays until somebody touches it, and cannot be brought back.
    expect((await view()).own.values).toMatchObject({ old: 'from before', port: '8080' });
    expect((await post(`devices/${device.id}/revert`, { revision: 1 })).status).toBe(400);
  });

  it('a schema that means nothing is refused, and a pattern takes no longer for a hostile value', async () => {
    const cases: [unknown, RegExp][] = [
      [{ properties: { a: { type: 'object' } } }, /type/],
      [{ properties: { a: { pattern: '(' } } }, /a: /],
      [{ properties: { a: { pattern: '(a)\\1' } } }, /a: /],
      [{ properties: { a: { type: 'integer', pattern: 'x' } } }, /a: pattern goes with string/],
      [{ properties: { a: { type: 'boolean', enum: ['x'] } } }, /a: enum goes with string/],
      [{ properties: { a: { $ref: '#' } } }, /additional properties/],
      [{ properties: { '': {} } }, /character/],
      [{}, /properties/],
    ];
    for (const [body, words] of cases) {
      const answer = await put('schema', body as object);
      expect([body, answer.status, answer.text]).toEqual([body, 400, expect.stringMatching(words)]);
    }
    await put('schema', { properties: { a: { pattern: '^(a+)+$' }, __proto__x: {}, constructor: {} } });
    const begun = performance.now();
    expect((await patch('fleet', { set: { a: `${'a'.repeat(4000)}!` } })).status).toBe(400);
    expect(performance.now() - begun).toBeLessThan(5000);
    expect((await patch('fleet', { set: { a: 'aaa', toString: 'x' } })).status).toBe(200);
  });

  it('that are secret are masked wherever they are shown, kept when the mask comes back, and sent as they are', async () => {
    await put('schema', { properties: { psk: { writeOnly: true, minLength: 8 } } });
    const path = `devices/${device.id}`;
    expect((await patch(path, { set: { psk: '********' } })).status).toBe(400);
    await patch(path, { set: { psk: 'hunter22-first', ssid: 'yard' } });
    await patch(path, { set: { psk: 'hunter22-second', ssid: 'yard' } });
    expect((await patch(path, { set: { psk: 'short' } })).text).not.toContain('short');
    await patch('fleet', { set: { psk: 'hunter22-fleet' } });
    await post(`${reference}/${device.id}/deploy`, {});
    await report({ psk: 'hunter22-other', ssid: 'yard' });
    // A form that was filled from an answer sends the mask back.
    expect((await call('PUT', `${reference}/${device.id}`, { psk: '********', ssid: 'home' })).status).toBe(204);
    expect(await view()).toMatchObject({
      effective: [
        { key: 'psk', value: '********', secret: true },
        { key: 'ssid', value: 'home' },
      ],
      drift: { keys: [{ key: 'psk', desired: '********', reported: '********' }, { key: 'ssid' }] },
    });
    const places = [
      path,
      'fleet',
      `${path}/history`,
      'fleet/history',
      `drift?per_page=500`,
      `${reference}/${device.id}`,
    ];
    for (const place of places) expect((await call('GET', place)).text).not.toContain('hunter22');
    expect((await call('GET', '/api/management/v1/patchbay/audit?per_page=50')).text).not.toContain('hunter22');
    expect((await server.call('GET', own, { token: device.token })).body).toEqual({
      psk: 'hunter22-second',
      ssid: 'home',
    });
    const [sent] = await get<{ configuration: string }[]>(
      '/api/management/v1/deployments/deployments?type=configuration',
    );
    expect(Buffer.from(sent!.configuration, 'base64').toString()).toBe(
      '{"psk":"...<omitted>","ssid":"yar...<omitted>"}',
    );
    const reverted = await post(`${path}/revert`, { revision: 1 });
    expect(reverted.text).not.toContain('hunter22');
    expect((await server.call('GET', own, { token: device.token })).body).toEqual({
      psk: 'hunter22-first',
      ssid: 'yard',
    });
  });

  it('have limits, which are said with their number (CFG-3)', async () => {
    const many = (count: number, name = 'k') =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`${name}${i}`, 'v']));
    const path = `devices/${device.id}`;
    expect((await patch(path, { set: many(101) })).text).toContain('100');
    expect((await patch(path, { set: many(60) })).status).toBe(200);
    const more = await patch(path, { set: many(41, 'x') });
    expect([more.status, more.text]).toEqual([400, expect.stringContaining('too many settings: 101, at most 100')]);
    await patch('fleet', { set: many(60, 'f') });
    const sent = await post(`${reference}/${device.id}/deploy`, {});
    expect([sent.status, sent.text]).toEqual([422, expect.stringContaining('has 120 settings, at most 100')]);
    const name = await group(device);
    expect((await post(`${at(name)}/deploy`)).body).toMatchObject({
      sent: [{ device_id: device.id, error: expect.stringContaining('120 settings') }],
    });
  });

  it('of what is not there, or asked for wrongly, are refused in words', async () => {
    const nobody = 'devices/00000000-0000-4000-8000-000000000000';
    const cases: [string, string, unknown, number][] = [
      ['GET', nobody, undefined, 404],
      ['PATCH', nobody, { set: {} }, 404],
      ['GET', `${nobody}/history`, undefined, 404],
      ['POST', `${nobody}/revert`, { revision: 1 }, 404],
      ['PATCH', 'groups/nobody', { set: { a: 'b' } }, 404],
      ['POST', 'groups/nobody/deploy', undefined, 404],
      ['PATCH', 'fleet', { set: { a: 1 } }, 400],
      ['PATCH', 'fleet', { sets: {} }, 400],
      ['PATCH', 'fleet', { priority: 1 }, 400],
      ['PATCH', 'fleet', { unset: ['none'] }, 404],
      ['PATCH', 'fleet', { set: { '': 'x' } }, 400],
      ['GET', 'fleet/history?limit=101', undefined, 400],
    ];
    for (const [method, path, body, status] of cases)
      expect([method, path, (await call(method, path, body)).status]).toEqual([method, path, status]);
  });

  it('are for people who may set them (CFG-19), and each change is in the audit log (CFG-20)', async () => {
    const reader = await server.addUser('reads@example.com', ['read-only']);
    for (const path of ['fleet', 'groups', 'schema', 'drift', `devices/${device.id}`, `devices/${device.id}/history`])
      expect([path, (await call('GET', path, undefined, reader)).status]).toEqual([path, 403]);
    expect((await call('PUT', `${reference}/${device.id}`, { a: 'b' }, reader)).status).toBe(403);
    expect((await call('PATCH', 'fleet', { set: { a: 'b' } }, reader)).status).toBe(403);
    // What is secret is for those to say who have the say over the server.
    const operator = await server.addUser('operates@example.com', ['operator']);
    expect((await call('PUT', 'schema', { properties: {} }, operator)).status).toBe(403);
    const name = await group(device);
    await call('PATCH', at(name), { set: { a: 'b' } }, operator);
    await call('POST', `${at(name)}/deploy`, undefined, operator);
    await call('POST', `${at(name)}/revert`, { revision: 1 }, operator);
    const log = await get<object[]>('/api/management/v1/patchbay/audit?per_page=3');
    expect(log).toMatchObject([
      { action: 'revert_configuration', object: { type: 'group', id: name }, result: 'ok' },
      { action: 'deploy_configuration', object: { type: 'group', id: name }, details: { devices: 1, unchanged: 0 } },
      {
        action: 'set_configuration',
        object: { type: 'group', id: name },
        details: { set: ['a'], removed: [], revision: 1 },
      },
    ]);
  });

  it('are for somebody confined to a group those of the group and of its devices (CFG-19)', async () => {
    const other = await server.addDevice();
    const [mine, foreign] = [await group(device), await group(other)];
    const grants = [{ permission: 'devices:configure', groups: [mine] }];
    const role = await server.call('POST', '/api/management/v1/patchbay/roles', {
      token,
      body: { name: 'hall', grants },
    });
    expect(role.status, role.text).toBe(201);
    const warden = await server.addUser('warden@example.com', ['hall']);
    const set = { set: { a: 'b' } };
    const cases: [string, string, unknown, number][] = [
      ['PATCH', `devices/${device.id}`, set, 200],
      ['GET', `devices/${device.id}/history`, undefined, 200],
      ['PUT', `${reference}/${device.id}`, { c: 'd' }, 204],
      ['PATCH', at(mine), set, 200],
      ['POST', `${at(mine)}/deploy`, undefined, 200],
      ['GET', `devices/${other.id}`, undefined, 404],
      ['PATCH', `devices/${other.id}`, set, 404],
      ['POST', `${reference}/${other.id}/deploy`, {}, 404],
      ['PATCH', at(foreign), set, 404],
      ['POST', `${at(foreign)}/revert`, { revision: 1 }, 404],
      ['PATCH', 'fleet', set, 403],
    ];
    for (const [method, path, body, status] of cases)
      expect([method, path, (await call(method, path, body, warden)).status]).toEqual([method, path, status]);
    await call('PATCH', at(foreign), set);
    await call('PATCH', `devices/${other.id}`, set);
    for (const list of ['groups', 'drift']) {
      const { status, text } = await call('GET', list, undefined, warden);
      expect([list, status]).toEqual([list, 200]);
      expect(text).not.toContain(list === 'groups' ? foreign : other.id);
      expect((await call('GET', list)).text).toContain(list === 'groups' ? foreign : other.id);
    }
    expect((await call('GET', 'groups', undefined, warden)).text).toContain(mine);
  });

  it('go with the device, history and all (CFG-21)', async () => {
    await patch(`devices/${device.id}`, { set: { a: 'b' } });
    await report({ a: 'b' });
    await server.call('DELETE', `/api/management/v2/devauth/devices/${device.id}`, { token });
    expect((await call('GET', `devices/${device.id}`)).status).toBe(404);
    const { openStore } = await import('../server/store/store.ts');
    const db = await openStore(server.data, server.database);
    const left = async (table: string, column: string) =>
      await (db as unknown as import('kysely').Kysely<Record<string, Record<string, string>>>)
        .selectFrom(table)
        .selectAll()
        .where(column, '=', device.id)
        .execute();
    expect(await left('addon_configure_layers', 'name')).toEqual([]);
    expect(await left('addon_configure_history', 'name')).toEqual([]);
    expect(await left('addon_configure_devices', 'device_id')).toEqual([]);
    await db.destroy();
  });

  it('of two people at once are both kept', async () => {
    const path = `devices/${device.id}`;
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => patch(path, { set: { [`k${i}`]: 'v' } })));
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect((await view()).own).toMatchObject({
      revision: 8,
      values: Object.fromEntries(answers.map((_, i) => [`k${i}`, 'v'])),
    });
  });
});
