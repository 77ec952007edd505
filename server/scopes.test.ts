// Rights that hold in some groups of devices, and for some tags of releases, only: the same question as an administrator
// and as somebody who is confined, at every route that there is (CVE-2025-49603, CVE-2024-46948, CVE-2026-33552).
import { setTimeout as sleep } from 'node:timers/promises';
import { io, type Socket } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { decode, encode, ProtoType } from '#proto';
import { permissions, scopeKindOf, type Grant, type Permission } from '#proto/http/users';
import { artifactFor, formOf } from './deployments/harness.testing.ts';
import { Inventory } from './inventory/inventory.ts';
import { nobodyWatches } from './live/live.ts';
import { openStore } from './store/store.ts';
import { password, stage, type Answer, type Stage } from './stage.ts';

const mgmt = '/api/management';
const roles = `${mgmt}/v1/patchbay/roles`;

let server: Stage;
let boss = '';
/** May do everything in the group `north` and with the tag `cold`, and nothing elsewhere. */
let ranger = '';
interface Fake {
  readonly id: string;
  readonly token: string;
  readonly authSet: string;
}
const devices: Record<'north' | 'south' | 'both' | 'none', Fake> = {} as never;
const deployments: Record<'north' | 'south' | 'mixed', string> = {} as never;
const artifacts: Record<'cold' | 'warm', string> = {} as never;
/** Ids of saved filters: one finds a device of the ranger's, one none, one all. */
const filters: Record<'north' | 'south' | 'all', string> = {} as never;

/** Words that stand in answers about what is not the ranger's, and in no other. */
const foreign = (): string[] => [
  devices.south.id,
  devices.none.id,
  'host-south',
  'host-none',
  'southern_thing',
  'of-south',
  'release-warm',
  'warm-module',
  artifacts.warm,
  '"warm"',
  deployments.south,
];

/** All that can be confined, with what add-ons brought. */
const confinedGrants = (groups: string[], tags: string[]): Grant[] =>
  [...permissions, ...ofAddons()].flatMap((permission): Grant[] => {
    const kind = scopeKindOf(permission);
    return kind === 'groups' ? [{ permission, groups }] : kind === 'tags' ? [{ permission, tags }] : [];
  });

const ofAddons = (): Permission[] => [
  ...new Set(
    server.server.routes.flatMap(({ spec: { access } }) => (access.startsWith('addon:') ? [access as Permission] : [])),
  ),
];

const call = (method: string, path: string, token: string, body?: unknown): Promise<Answer> =>
  server.call(method, path, { token, ...(body === undefined ? {} : { body }) });
async function done(answer: Promise<Answer>): Promise<Answer> {
  const { status, text, ...rest } = await answer;
  if (status >= 300) throw new Error(`${status} ${text}`);
  return { status, text, ...rest };
}
const lastPart = ({ headers }: Answer): string => headers.get('location')?.split('/').at(-1) ?? '';

async function makeDevice(name: string, groups: string[]): Promise<Fake> {
  const { id, token } = await server.addDevice({ mac: `mac-${name}` });
  const { jti } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as { jti: string };
  const report = [
    { name: 'hostname', value: `host-${name}` },
    { name: 'device_type', value: 'qemu' },
    { name: 'artifact_name', value: 'old' },
    ...(name === 'south' ? [{ name: 'southern_thing', value: 1 }] : []),
  ];
  await done(call('PUT', '/api/devices/v1/inventory/device/attributes', token, report));
  const subject = { name, type: 'service', status: `host-${name}` };
  const alert = { name: `down at host-${name}`, level: 'CRITICAL', timestamp: '2026-08-22T10:00:00Z', subject };
  await done(call('POST', '/api/devices/v1/devicemonitor/alert', token, [alert]));
  const silence = { device: id, check: 'x', minutes: 60, reason: `host-${name}` };
  await done(call('POST', `${mgmt}/v1/patchbay/monitor/silences`, boss, silence));
  await join(id, groups);
  return { id, token, authSet: jti };
}

/** Into several groups, past the routes of the reference, which know one. */
async function join(id: string, groups: readonly string[]): Promise<void> {
  const db = await openStore(server.data, server.database);
  for (const group of groups) await new Inventory(db, nobodyWatches).add(group, [id]);
  await db.destroy();
}

/** One that has its socket open for a moment, so that there is something to be told of it. */
async function appear({ id, token }: Fake): Promise<void> {
  const url = `${server.url.replace('http', 'ws')}/api/devices/v1/deviceconnect/connect`;
  const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } });
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  while ((await call('GET', `${mgmt}/v1/deviceconnect/devices/${id}`, boss)).status !== 200) await sleep(5);
  socket.terminate();
}

/** A payload type that no release of the ranger has. */
const warmOnly = { payload: { type: 'warm-module', provides: {}, depends: {}, files: [] } };

async function upload(name: string, token = boss): Promise<Answer> {
  const answer = await fetch(`${server.url}${mgmt}/v1/deployments/artifacts`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: formOf(await artifactFor(name, name === 'release-warm' ? warmOnly : {})),
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text(), body: undefined };
}

const deploy = (name: string, artifact_name: string, ids: string[], token = boss): Promise<Answer> =>
  call('POST', `${mgmt}/v1/deployments/deployments`, token, { name, artifact_name, devices: ids });

beforeAll(async () => {
  server = await stage();
  // An access token: of logins the oldest end when there are many.
  const body = { name: 'tests', expires_in: 0 };
  boss = (await server.call('POST', `${mgmt}/v1/useradm/settings/tokens`, { token: await server.login(), body })).text;
  devices.north = await makeDevice('north', ['north']);
  devices.south = await makeDevice('south', ['south']);
  devices.both = await makeDevice('both', ['north', 'south']);
  devices.none = await makeDevice('none', []);
  for (const [tag, name] of [
    ['cold', 'release-cold'],
    ['warm', 'release-warm'],
  ] as const) {
    artifacts[tag] = lastPart(await done(upload(name)));
    await done(call('PUT', `${mgmt}/v2/deployments/deployments/releases/${name}/tags`, boss, [tag]));
  }
  const { north, south } = devices;
  deployments.north = lastPart(await done(deploy('to north', 'release-cold', [north.id])));
  deployments.south = lastPart(await done(deploy('to south', 'release-warm', [south.id])));
  deployments.mixed = lastPart(await done(deploy('to several', 'release-cold', [north.id, south.id, devices.none.id])));
  for (const { token } of [north, south]) {
    const next = '/api/devices/v1/deployments/device/deployments/next?artifact_name=old&device_type=qemu';
    const { body } = await done(call('GET', next, token));
    const { id } = body as { id: string };
    const status = `/api/devices/v1/deployments/device/deployments/${id}`;
    const messages = [{ timestamp: '2026-08-22T10:00:00Z', level: 'error', message: 'it broke' }];
    await done(call('PUT', `${status}/status`, token, { status: 'failure' }));
    await done(call('PUT', `${status}/log`, token, { messages }));
  }
  for (const [group, { token }] of [['north', north] as const, ['south', south] as const]) {
    await done(call('PATCH', `${mgmt}/v1/patchbay/configuration/groups/${group}`, boss, { set: { pace: 'slow' } }));
    await done(call('PUT', '/api/devices/v1/deviceconfig/configuration', token, { pace: 'fast' }));
    const subject = { name: 'disk', type: 'log', status: 'full', details: { description: 'no room' } };
    const alert = { name: 'disk', level: 'CRITICAL', timestamp: '2026-08-22T10:00:00Z', subject };
    await done(call('POST', '/api/devices/v1/devicemonitor/alert', token, [alert]));
  }
  for (const device of [north, south]) await appear(device);
  const silence = { device: south.id, minutes: 60, reason: 'at work' };
  await done(call('POST', `${mgmt}/v1/patchbay/monitor/silences`, boss, silence));
  for (const host of ['north', 'south']) {
    const terms = [{ scope: 'inventory', attribute: 'hostname', type: '$eq', value: `host-${host}` }];
    const made = await done(call('POST', `${mgmt}/v2/inventory/filters`, boss, { name: `of-${host}`, terms }));
    filters[host as 'north'] = lastPart(made);
    await done(call('PATCH', `${mgmt}/v1/patchbay/groups/${host}`, boss, { parent: `of-${host}` }));
  }
  const wide = [{ scope: 'inventory', attribute: 'device_type', type: '$eq', value: 'qemu' }];
  filters.all = lastPart(await done(call('POST', `${mgmt}/v2/inventory/filters`, boss, { name: 'wide', terms: wide })));
  await done(call('POST', roles, boss, { name: 'ranger', grants: confinedGrants(['north'], ['cold']) }));
  ranger = await server.addUser('ranger@example.com', ['ranger']);
}, 120_000);
afterAll(() => server.close());

/** All that a stranger to it could change, as the administrator sees it. */
async function everything(): Promise<string> {
  const paths = [
    `${mgmt}/v2/devauth/devices?per_page=500`,
    `${mgmt}/v1/inventory/devices?per_page=500`,
    `${mgmt}/v2/deployments/deployments?per_page=500`,
    `${mgmt}/v2/deployments/deployments/releases?per_page=500`,
    `${mgmt}/v1/inventory/groups`,
    `${mgmt}/v1/patchbay/roles`,
    `${mgmt}/v1/useradm/users`,
  ];
  const texts = [];
  for (const path of paths) texts.push((await call('GET', path, boss)).text);
  return texts.join('\n').replaceAll(/"login_ts":"[^"]*"/g, '');
}

/** What stands in the place of `{id}` and the like: of the ranger's, or not. */
function filled(path: string, kind: string, mine: boolean): string {
  const device = mine ? devices.north.id : devices.south.id;
  const deployment = mine ? deployments.north : deployments.south;
  const names: Record<string, string> = {
    device,
    deployment,
    artifact: mine ? artifacts.cold : artifacts.warm,
    release: mine ? 'release-cold' : 'release-warm',
    group: mine ? 'north' : 'south',
  };
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    if (name === 'aid') return mine ? devices.north.authSet : devices.south.authSet;
    if (name === 'device') return device;
    if (kind === 'device' && path.includes('{device}')) return mine ? deployments.north : deployments.south;
    return names[kind] ?? 'x';
  });
}

/** Bodies of reads by POST, and numbers that count: what both must be told. */
const asked: Record<string, unknown> = {
  get 'POST /api/management/v1/patchbay/presence/search'() {
    return { device_ids: Object.values(devices).map(({ id }) => id) };
  },
  'POST /api/management/v2/devauth/devices/search': {},
  'POST /api/management/v2/inventory/filters/search': {},
  'POST /api/management/v2alpha1/inventory/identities/search': {
    scope: 'identity',
    name: 'mac',
    value_prefix: 'mac-',
  },
  get 'POST /api/management/v1/deployments/deployments/statistics/list'() {
    return { deployment_ids: Object.values(deployments) };
  },
};
/** Lists that hold nothing of anybody's, or nothing just now. */
const alike = new Set([
  'GET /api/management/v2/devauth/limits/{name}',
  'GET /api/management/v1/patchbay/sessions',
  'GET /api/management/v1/patchbay/configuration/schema',
]);
/** Have a test of their own below. */
const ofOneGroup = /\/patchbay\/groups\/\{name\}|\/filters\/\{id\}/;

describe('every route', () => {
  const named = () =>
    server.server.routes.map((route) => ({ ...route, name: `${route.spec.method} ${route.spec.path}` }));

  it('that does not say how it confines refuses whoever is confined', async () => {
    const before = await everything();
    let count = 0;
    for (const { spec, name } of named()) {
      if (!(permissions as readonly string[]).includes(spec.access) || spec.confined) continue;
      const { status, body } = await call(spec.method, spec.path.replaceAll(/\{\w+\}/g, 'x'), ranger);
      expect(status, name).toBe(403);
      expect((body as { error: string }).error, name).toMatch(/do not include the permission|for some .* only/);
      count++;
    }
    expect(count).toBeGreaterThan(5);
    expect(await everything()).toBe(before);
  });

  it('that names an object says 404 of one that is not in reach, and changes nothing', async () => {
    const before = await everything();
    let count = 0;
    for (const { spec, name } of named()) {
      const { confined } = spec;
      if (!confined || confined === 'handler') continue;
      const answer = await call(spec.method, filled(spec.path, confined, false), ranger);
      expect(answer.status, name).toBe(404);
      expect(answer.body, name).toMatchObject({ error: `${confined} not found` });
      if (spec.method === 'GET') {
        const own = await call('GET', filled(spec.path, confined, true), ranger);
        expect([200, 400, 409], `${name}: ${own.text}`).toContain(own.status);
        for (const word of foreign()) expect(own.text, name).not.toContain(word);
      }
      count++;
    }
    expect(count).toBeGreaterThan(25);
    expect(await everything()).toBe(before);
  });

  it('that lists, searches or counts says less to whoever is confined, and nothing of what is not his', async () => {
    let count = 0;
    for (const { spec, name } of named()) {
      if (spec.confined !== 'handler' || (spec.audit && spec.method !== 'GET') || ofOneGroup.test(spec.path)) continue;
      const path = spec.path.replace('{name}', spec.path.includes('devauth') ? 'max_devices' : 'storage');
      const body = asked[name];
      if (spec.method === 'POST') expect(body, `${name}: no body in this test`).toBeDefined();
      const [all, some] = [await call(spec.method, path, boss, body), await call(spec.method, path, ranger, body)];
      expect([all.status, some.status], name).toEqual([200, 200]);
      for (const word of foreign()) expect(some.text, name).not.toContain(word);
      if (!alike.has(name)) expect(some.text, name).not.toBe(all.text);
      const total = (answer: Answer) => Number(answer.headers.get('x-total-count') ?? 0);
      if (some.headers.has('x-total-count')) expect(total(some), name).toBeLessThan(total(all));
      expect(some.headers.get('link') ?? '', name).not.toMatch(/[?&]page=2&/);
      count++;
    }
    expect(count).toBeGreaterThan(15);
  });
});

describe('whoever is confined to a group', () => {
  it('counts the devices of his group and no others', async () => {
    const count = async (path: string, body?: unknown) => (await call(body ? 'POST' : 'GET', path, ranger, body)).body;
    expect(await count(`${mgmt}/v2/devauth/devices/count?status=accepted`)).toEqual({ count: 2 });
    expect(await count(`${mgmt}/v2/inventory/statistics`)).toMatchObject({
      devices_by_status: { accepted: { standard: 2 } },
    });
    expect(await count(`${mgmt}/v1/inventory/groups`)).toEqual(['north']);
    const names = (await count(`${mgmt}/v2/inventory/filters/attributes`)) as { name: string; count: number }[];
    expect(names.find(({ name }) => name === 'hostname')?.count).toBe(2);
  });

  it.each([
    ['by id', (id: string) => ({ device_ids: [id] })],
    ['by text', () => ({ text: 'host-south' })],
    [
      'by a filter',
      () => ({ filters: [{ scope: 'inventory', attribute: 'southern_thing', type: '$exists', value: true }] }),
    ],
    [
      'by a pattern',
      () => ({ filters: [{ scope: 'inventory', attribute: 'hostname', type: '$regex', value: 'south' }] }),
    ],
    ['by its group', () => ({ filters: [{ scope: 'system', attribute: 'group', type: '$eq', value: 'south' }] })],
  ])('does not find a foreign device %s', async (_, search) => {
    const path = `${mgmt}/v2/inventory/filters/search`;
    const ask = async (token: string) =>
      (await call('POST', path, token, search(devices.south.id))).body as { id: string }[];
    expect((await ask(boss)).map(({ id }) => id)).toContain(devices.south.id);
    expect((await ask(ranger)).map(({ id }) => id)).not.toContain(devices.south.id);
  });

  it('sees a deployment as far as his devices go: numbers, devices, targets, groups', async () => {
    const path = `${mgmt}/v1/deployments/deployments/${deployments.mixed}`;
    const read = async (rest: string, token: string) => (await call('GET', `${path}${rest}`, token)).body;
    expect(await read('', boss)).toMatchObject({ max_devices: 3 });
    expect(await read('', ranger)).toMatchObject({ max_devices: 1, statistics: { status: { pending: 1 } } });
    expect(await read('/statistics', boss)).toMatchObject({ pending: 3 });
    expect(await read('/statistics', ranger)).toMatchObject({ pending: 1, failure: 0 });
    expect(await read('/device_list', ranger)).toEqual([devices.north.id]);
    expect(await read('/devices', ranger)).toEqual([]);
    const north = `${mgmt}/v1/deployments/deployments/${deployments.north}`;
    expect((await call('GET', `${north}/statistics`, ranger)).body).toMatchObject({ failure: 1, pending: 0 });
  });

  it('deploys to his devices only: all means his, a foreign one is refused like one that there is not', async () => {
    const refused = await deploy('x', 'release-cold', [devices.north.id, devices.south.id], ranger);
    expect(refused.status).toBe(403);
    const unknown = await deploy('x', 'release-cold', ['no-such-device'], ranger);
    expect(unknown.text.replace('no-such-device', '')).toBe(
      refused.text
        .replace(devices.south.id, '')
        .replace(/"request_id":"[^"]*"/, /"request_id":"[^"]*"/.exec(unknown.text)![0]),
    );
    expect((await deploy('x', 'release-warm', [devices.north.id], ranger)).status).toBe(422);
    const group = (name: string) =>
      call('POST', `${mgmt}/v1/deployments/deployments/group/${name}`, ranger, {
        name: 'y',
        artifact_name: 'release-cold',
      });
    expect((await group('south')).status).toBe(404);
    const all = { name: 'all of mine', artifact_name: 'release-cold', all_devices: true };
    const id = lastPart(await done(call('POST', `${mgmt}/v1/deployments/deployments`, ranger, all)));
    const targets = (await call('GET', `${mgmt}/v1/deployments/deployments/${id}/device_list`, boss)).body as string[];
    expect(targets.sort()).toEqual([devices.north.id, devices.both.id].sort());
    expect(
      (await call('PUT', `${mgmt}/v1/deployments/deployments/${id}/status`, ranger, { status: 'aborted' })).status,
    ).toBe(204);
  });

  it('does not abort what is under way on other devices too', async () => {
    const path = `${mgmt}/v1/deployments/deployments/${deployments.mixed}/status`;
    const { status, body } = await call('PUT', path, ranger, { status: 'aborted' });
    expect(status).toBe(403);
    expect(body).toMatchObject({ error: expect.stringContaining('outside of your groups') as string });
  });

  it('neither takes a foreign device into his group nor gives one of his away', async () => {
    const put = (id: string, group: string) =>
      call('PUT', `${mgmt}/v1/inventory/devices/${id}/group`, ranger, { group });
    expect((await put(devices.south.id, 'north')).status).toBe(404);
    expect((await put(devices.north.id, 'south')).status).toBe(403);
    const add = `${mgmt}/v1/inventory/groups/north/devices`;
    expect((await call('PATCH', add, ranger, [devices.south.id])).status).toBe(404);
    expect((await call('PATCH', add, ranger, [devices.none.id])).status).toBe(404);
    expect((await call('DELETE', `${mgmt}/v1/inventory/groups/south`, ranger)).status).toBe(404);
    expect((await call('GET', `${mgmt}/v1/inventory/groups/south/devices`, boss)).status).toBe(200);
  });

  it('sees his groups and the saved filters that find a device of his, and of what they find his devices only', async () => {
    const own = `${mgmt}/v1/patchbay/groups`;
    const list = (await call('GET', `${own}?count=true`, ranger)).body as Record<string, unknown>[];
    expect(list.map(({ name, devices, parent }) => [name, devices, parent])).toEqual([
      ['north', 2, 'of-north'],
      ['of-north', 1, undefined],
      ['wide', 2, undefined],
    ]);
    const saved = (await call('GET', `${mgmt}/v2/inventory/filters`, ranger)).body as { name: string }[];
    expect(saved.map(({ name }) => name)).toEqual(['of-north', 'wide']);
    expect((await call('GET', `${own}/wide`, ranger)).body).toMatchObject({ kind: 'dynamic', devices: 2 });
    expect((await call('GET', `${own}/north`, ranger)).body).toMatchObject({ kind: 'static', devices: 2 });
    const mine = [devices.north.id, devices.both.id].sort();
    const found = async (path: string) => {
      const { body, headers } = await done(call('GET', path, ranger));
      const ids = (body as { id: string }[]).map(({ id }) => id).sort();
      expect(Number(headers.get('x-total-count'))).toBe(ids.length);
      return ids;
    };
    expect(await found(`${mgmt}/v2/inventory/filters/${filters.all}/search`)).toEqual(mine);
    expect(await found(`${own}/wide/devices`)).toEqual(mine);
    expect(await found(`${own}/of-north/devices?nested=true`)).toEqual(mine);
    for (const path of [
      `${own}/south`,
      `${own}/of-south`,
      `${own}/south/devices`,
      `${own}/of-south/devices`,
      `${mgmt}/v2/inventory/filters/${filters.south}`,
      `${mgmt}/v2/inventory/filters/${filters.south}/search`,
    ])
      expect((await call('GET', path, ranger)).status, path).toBe(404);
  });

  it('describes his group, and shows it in no other one; what is everybody’s stays as it is', async () => {
    const own = `${mgmt}/v1/patchbay/groups`;
    await done(call('PATCH', `${own}/north`, ranger, { description: 'cold' }));
    expect((await call('GET', `${own}/north`, boss)).body).toMatchObject({ description: 'cold', parent: 'of-north' });
    expect((await call('PATCH', `${own}/north`, ranger, { parent: 'south' })).status).toBe(403);
    expect((await call('PATCH', `${own}/wide`, ranger, { description: 'x' })).status).toBe(404);
    expect((await call('DELETE', `${own}/wide`, ranger)).status).toBe(404);
    expect((await call('PATCH', `${own}/north/devices`, ranger, [devices.south.id])).status).toBe(404);
    expect((await call('PATCH', `${own}/south/devices`, ranger, [devices.north.id])).status).toBe(404);
    const grants = [{ permission: 'inventory:manage', groups: ['wide'] }];
    await done(call('POST', roles, boss, { name: 'named like a filter', grants }));
    const namesake = await server.addUser('namesake@example.com', ['named like a filter']);
    const refused = await call('DELETE', `${own}/wide`, namesake);
    expect([refused.status, refused.text]).toEqual([403, expect.stringContaining('a dynamic group is everybody')]);
  });

  it('voids the token of a device of his, and of no other', async () => {
    const guest = await makeDevice('guest', ['north']);
    const path = (set: string) => `${mgmt}/v2/devauth/tokens/${set}`;
    expect((await call('DELETE', path(devices.south.authSet), ranger)).status).toBe(404);
    expect((await call('DELETE', path(guest.authSet), ranger)).status).toBe(204);
    await done(call('DELETE', `${mgmt}/v2/devauth/devices/${guest.id}`, boss));
  });

  it('gives and takes the tags of his releases that are his, and what he uploads has them', async () => {
    const tags = (name: string, list: string[]) =>
      call('PUT', `${mgmt}/v2/deployments/deployments/releases/${name}/tags`, ranger, list);
    expect((await tags('release-cold', ['cold', 'warm'])).status).toBe(403);
    expect((await tags('release-warm', ['cold'])).status).toBe(404);
    expect((await upload('release-mine', ranger)).status).toBe(201);
    const mine = await call('GET', `${mgmt}/v2/deployments/deployments/releases/release-mine`, ranger);
    expect(mine.body).toMatchObject({ tags: ['cold'] });
    const added = await upload('release-warm', ranger);
    expect([added.status, added.text]).toEqual([403, expect.stringContaining('release-warm')]);
    expect((await call('DELETE', `${mgmt}/v2/deployments/deployments/releases?name=release-warm`, ranger)).status).toBe(
      404,
    );
    await done(call('DELETE', `${mgmt}/v2/deployments/deployments/releases?name=release-mine`, ranger));
  });
});

describe('two roles with different rights in two groups (CVE-2026-33552)', () => {
  it('do not add up to the higher right in both', async () => {
    const grants = (list: Grant[]) => ({ grants: list });
    await done(
      call('POST', roles, boss, {
        name: 'north admin',
        ...grants([
          { permission: 'devices:manage', groups: ['north'] },
          { permission: 'inventory:read', groups: ['north'] },
        ]),
      }),
    );
    await done(
      call('POST', roles, boss, {
        name: 'south reader',
        ...grants([{ permission: 'inventory:read', groups: ['south'] }]),
      }),
    );
    const token = await server.addUser('pair@example.com', ['north admin', 'south reader']);
    const seen = (await call('GET', `${mgmt}/v1/inventory/devices?per_page=500`, token)).body as { id: string }[];
    expect(seen.map(({ id }) => id).sort()).toEqual([devices.north.id, devices.south.id, devices.both.id].sort());
    const reject = (device: Fake) =>
      call('PUT', `${mgmt}/v2/devauth/devices/${device.id}/auth/${device.authSet}/status`, token, {
        status: 'accepted',
      });
    expect((await reject(devices.south)).status).toBe(404);
    expect((await reject(devices.north)).status).toBe(204);
    expect((await reject(devices.both)).status).toBe(204);
  });
});

describe('roles (server-api.md §4.3)', () => {
  it('nobody gives rights that he has not: not by a role, not by a user, not to himself (CVE-2022-45929)', async () => {
    const grants: Grant[] = [{ permission: 'users:manage' }, { permission: 'users:read' }];
    await done(call('POST', roles, boss, { name: 'clerk', grants }));
    const clerk = await server.addUser('clerk@example.com', ['clerk']);
    const users = `${mgmt}/v1/useradm/users`;
    const me = ((await call('GET', `${users}/me`, clerk)).body as { id: string }).id;
    const admin = ((await call('GET', `${users}?email=admin@example.com`, clerk)).body as { id: string }[])[0]!.id;
    const everything = [{ permission: 'sessions:terminal' }];
    for (const [what, answer] of Object.entries({
      role: call('POST', roles, clerk, { name: 'more', grants: everything }),
      own: call('PUT', `${roles}/clerk`, clerk, { grants: [...grants, ...everything] }),
      foreign: call('PUT', `${roles}/ranger`, clerk, { grants }),
      self: call('PUT', `${users}/${me}`, clerk, { roles: ['admin'] }),
      other: call('POST', users, clerk, { email: 'puppet@example.com', password, roles: ['admin'] }),
      password: call('PUT', `${users}/${admin}`, clerk, { password: 'a new password' }),
      remove: call('DELETE', `${users}/${admin}`, clerk),
      logins: call('DELETE', `${mgmt}/v1/patchbay/users/${admin}/logins`, clerk),
      factor: call('POST', `${users}/${admin}/2fa/disable`, clerk, {}),
    }))
      expect((await answer).status, what).toBe(403);
    expect((await call('POST', users, clerk, { email: 'second@example.com', password, roles: ['clerk'] })).status).toBe(
      201,
    );
  });

  it.each([
    ['a permission that there is not', { name: 'a', grants: [{ permission: 'everything' }] }, 400],
    ['groups for what has none', { name: 'a', grants: [{ permission: 'users:read', groups: ['north'] }] }, 422],
    ['tags for devices', { name: 'a', grants: [{ permission: 'devices:read', tags: ['cold'] }] }, 422],
    ['a list of nothing', { name: 'a', grants: [{ permission: 'devices:read', groups: [] }] }, 400],
    ['a name of a built-in role', { name: 'admin', grants: [] }, 409],
    ['a name that is taken', { name: 'ranger', grants: [] }, 409],
    ['a name with a slash', { name: 'a/b', grants: [] }, 400],
    ['a key that a typing error made', { name: 'a', grants: [{ permission: 'devices:read', group: ['north'] }] }, 400],
  ])('%s is refused', async (_, body, status) => {
    expect((await call('POST', roles, boss, body)).status).toBe(status);
  });

  it('built-in ones do not change, and one that somebody has is not removed', async () => {
    expect((await call('PUT', `${roles}/admin`, boss, { grants: [] })).status).toBe(409);
    expect((await call('DELETE', `${roles}/ranger`, boss)).status).toBe(409);
    await done(call('POST', roles, boss, { name: 'unused', description: 'nobody', grants: [] }));
    expect((await call('GET', `${roles}/unused`, boss)).body).toMatchObject({ description: 'nobody', users: 0 });
    expect((await call('DELETE', `${roles}/unused`, boss)).status).toBe(204);
    expect((await call('GET', `${roles}/unused`, boss)).status).toBe(404);
  });
});

describe('what is open', () => {
  const sockets: WebSocket[] = [];
  const watchers: Socket[] = [];
  afterAll(() => {
    for (const socket of sockets) socket.terminate();
    for (const watcher of watchers) watcher.close();
  });
  const open = (path: string, token: string) =>
    new Promise<WebSocket>((resolve, reject) => {
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}${path}`, {
        headers: { authorization: `Bearer ${token}` },
      });
      sockets.push(socket);
      socket.once('open', () => resolve(socket));
      socket.once('unexpected-response', (_, response) => reject(new Error(String(response.statusCode))));
      socket.once('error', reject);
    });
  const connectDevice = ({ token }: Fake) => open('/api/devices/v1/deviceconnect/connect', token);
  const session = (device: Fake, token: string) => open(`${mgmt}/v1/deviceconnect/devices/${device.id}/connect`, token);
  const closed = (socket: WebSocket) =>
    new Promise<string>((resolve) => socket.once('close', (_, reason) => resolve(reason.toString())));
  const shell = (socket: WebSocket) => socket.send(encode({ hdr: { proto: ProtoType.Shell, typ: 'new', props: {} } }));
  /** The next frame that comes back from the server itself. */
  const answered = (socket: WebSocket) =>
    new Promise<string>((resolve) =>
      socket.once('message', (data) => resolve(new TextDecoder().decode(decode(data as Buffer).body))),
    );
  async function watch(token: string): Promise<{ events: string[]; socket: Socket }> {
    const socket = io(server.url, {
      path: '/api/live',
      transports: ['websocket'],
      auth: { token },
      reconnection: false,
    });
    watchers.push(socket);
    const events: string[] = [];
    socket.onAny((event: string, data: unknown) => events.push(`${event} ${JSON.stringify(data)}`));
    await new Promise((resolve, reject) =>
      socket.once('connect', () => resolve(undefined)).once('connect_error', reject),
    );
    return { events, socket };
  }
  const user = async (name: string, grants: Grant[]) => {
    await done(call('POST', roles, boss, { name, grants }));
    return server.addUser(`${name}@example.com`, [name]);
  };
  const terminal = (groups: string[]): Grant[] => [{ permission: 'sessions:terminal', groups }];
  beforeAll(async () => {
    for (const device of [devices.north, devices.south, devices.both]) await connectDevice(device);
  });

  it('TRB-8 who may only look sees that a device is connected, and is refused before the upgrade', async () => {
    const looker = await server.addUser('looker@example.com', ['read-only']);
    const state = await call('GET', `${mgmt}/v1/deviceconnect/devices/${devices.north.id}`, looker);
    expect(state.body).toMatchObject({ status: 'connected' });
    await expect(session(devices.north, looker)).rejects.toThrow('403');
  });

  it('a session begins on a device of the group, and on no other', async () => {
    await session(devices.north, ranger);
    await session(devices.both, ranger);
    await expect(session(devices.south, ranger)).rejects.toThrow('404');
    const download = `${mgmt}/v1/deviceconnect/devices/${devices.south.id}/download?path=/etc/hostname`;
    expect((await call('GET', download, ranger)).status).toBe(404);
  });

  it('TERM-21 who sees a device and may not connect to it is refused before the upgrade, with 403', async () => {
    const sees: Grant = { permission: 'devices:read', groups: ['north', 'south'] };
    const token = await user('onlooker', [...terminal(['north']), sees]);
    await session(devices.north, token);
    await expect(session(devices.south, token)).rejects.toThrow('403');
    await expect(session(devices.none, token)).rejects.toThrow('404');
  });

  it('nor open its pages, nor take its files: he is told that it is his rights, not that there is no such device', async () => {
    const sees: Grant = { permission: 'devices:read', groups: ['north', 'south'] };
    const mine = (['sessions:forward', 'sessions:transfer'] as const).map((permission) => ({
      permission,
      groups: ['north'],
    }));
    const token = await user('beholder', [...mine, sees]);
    const page = ({ id }: Fake) => call('POST', `${mgmt}/v1/patchbay/devices/${id}/pages`, token, { port: 80 });
    const file = ({ id }: Fake) => call('GET', `${mgmt}/v1/deviceconnect/devices/${id}/download?path=/x`, token);
    for (const ask of [page, file]) {
      const { status, body } = await ask(devices.south);
      expect(status).toBe(403);
      expect(body).toMatchObject({ error: expect.stringMatching(/for some groups of devices only, and this device/) });
      expect((await ask(devices.none)).status).toBe(404);
    }
  });

  it('a protocol is refused where the right is another group’s', async () => {
    const grants: Grant[] = [...terminal(['south']), { permission: 'sessions:forward', groups: ['north'] }];
    const socket = await session(devices.north, await user('forwarder', grants));
    const said = answered(socket);
    shell(socket);
    expect(await said).toBe('your roles do not include the permission sessions:terminal for this device');
  });

  it('a role that loses a right ends the sessions that stood on it, and no others', async () => {
    const token = await user('shrinking', terminal(['north', 'south']));
    const [north, south] = [await session(devices.north, token), await session(devices.south, token)];
    shell(north);
    const end = closed(south);
    await done(call('PUT', `${roles}/shrinking`, boss, { grants: terminal(['north']) }));
    expect(await end).toBe('your rights on this device have changed');
    expect(north.readyState).toBe(WebSocket.OPEN);
    await expect(session(devices.south, token)).rejects.toThrow('404');
    await session(devices.north, token);
  });

  it('a device that leaves the group takes its sessions along', async () => {
    const token = await user('visiting', terminal(['brief']));
    await join(devices.north.id, ['brief']);
    const socket = await session(devices.north, token);
    const end = closed(socket);
    await done(call('DELETE', `${mgmt}/v1/inventory/devices/${devices.north.id}/group/brief`, boss));
    expect(await end).toBe('your rights on this device have changed');
    await expect(session(devices.north, token)).rejects.toThrow('404');
  });

  it('a login that is ended, by its user or an administrator, takes its sessions and what it watches along', async () => {
    const token = await user('leaving', [...terminal(['north']), { permission: 'devices:read', groups: ['north'] }]);
    const other = await server.login('leaving@example.com');
    const [mine, theirs] = [await session(devices.north, token), await session(devices.north, other)];
    const { socket } = await watch(token);
    const ends = [closed(mine), new Promise((resolve) => socket.once('disconnect', resolve))];
    await done(call('POST', `${mgmt}/v1/useradm/auth/logout`, token));
    expect((await Promise.all(ends))[0]).toBe('your login has ended');
    expect(theirs.readyState).toBe(WebSocket.OPEN);
    const end = closed(theirs);
    const { id } = (
      (await call('GET', `${mgmt}/v1/useradm/users?email=leaving@example.com`, boss)).body as { id: string }[]
    )[0]!;
    await done(call('DELETE', `${mgmt}/v1/useradm/users/${id}`, boss));
    expect(await end).toBe('your login has ended');
  });

  it('a page is told of what lies in its groups and has its tags, and of nothing else', async () => {
    const mine = await watch(ranger);
    const all = await watch(boss);
    const tags = (id: string) =>
      done(call('PUT', `${mgmt}/v1/inventory/devices/${id}/tags`, boss, [{ name: 'seen', value: id }]));
    for (const name of ['south', 'none', 'both', 'north'] as const) await tags(devices[name].id);
    await done(call('PATCH', `${mgmt}/v2/deployments/deployments/releases/release-warm`, boss, { notes: 'a' }));
    await done(call('PATCH', `${mgmt}/v2/deployments/deployments/releases/release-cold`, boss, { notes: 'b' }));
    const southern = lastPart(await done(deploy('told 1', 'release-cold', [devices.south.id])));
    const northern = lastPart(await done(deploy('told 2', 'release-cold', [devices.north.id])));
    const last = `deployment ${JSON.stringify({ id: northern, status: 'pending' })}`;
    while (!mine.events.includes(last) || !all.events.includes(last)) await sleep(5);
    expect(mine.events.map((event) => event.split(' ')[0])).toEqual([
      'inventory',
      'inventory',
      'release',
      'deployment',
    ]);
    const told = mine.events.join('\n');
    for (const word of [devices.south.id, devices.none.id, 'release-warm', southern]) expect(told).not.toContain(word);
    expect(all.events.length).toBeGreaterThanOrEqual(8);
  });

  it('a device that is gone is told to its group, though it is in none any more', async () => {
    const going = await makeDevice('going', ['north']);
    const { events } = await watch(ranger);
    await done(call('DELETE', `${mgmt}/v2/devauth/devices/${going.id}`, boss));
    const last = `device ${JSON.stringify({ id: going.id, status: 'gone' })}`;
    while (!events.includes(last)) await sleep(5);
  });
});
