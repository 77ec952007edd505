import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactBytes } from '#artifact';
import { groupsPath, inventoryV2, type Group } from '#proto/http/groups';
import { inventoryV1, type InventoryDevice } from '#proto/http/devices';
import { deploymentsV1, deploymentsV2 } from '#proto/http/paths';
import { availableDatabases, databaseFor, stage, type Answer, type Stage } from '../stage.ts';
import { openStore } from '../store/store.ts';
import { insertFleet } from './fleet.testing.ts';

describe.each(await availableDatabases())('groups (server-api.md §2.4) on %s', (name) => {
  let server: Stage;
  let token = '';
  beforeAll(async () => {
    server = await stage({ database: await databaseFor(name) });
    token = await server.login();
    const db = await openStore(server.data, server.database);
    const zone = (value: string) => [{ scope: 'inventory' as const, name: 'zone', value }];
    await insertFleet(db, [
      { id: 'd1', status: 'accepted', attributes: zone('hall-1'), groups: [] },
      { id: 'd2', status: 'accepted', attributes: zone('hall-2'), groups: [] },
      { id: 'd3', status: 'accepted', attributes: zone('yard'), groups: [] },
      { id: 'd4', status: 'pending', attributes: zone('hall-1'), groups: [] },
    ]);
    await db.destroy();
  });
  afterAll(() => server.close());

  const call = (method: string, path: string, body?: unknown): Promise<Answer> =>
    server.call(method, path, { token, body });
  const status = async (method: string, path: string, body?: unknown): Promise<number> =>
    (await call(method, path, body)).status;
  const own = (path = '') => groupsPath + path;
  const members = async (group: string, query = ''): Promise<string[]> =>
    ((await call('GET', own(`/${group}/devices?per_page=500${query}`))).body as InventoryDevice[]).map(({ id }) => id);
  const groupsOf = async (id: string) => {
    const device = (await call('GET', `${inventoryV1}/devices/${id}`)).body as InventoryDevice;
    return { groups: device.groups, first: device.attributes.find((one) => one.name === 'group')?.value };
  };
  const list = async (query = ''): Promise<Group[]> => (await call('GET', own(query))).body as Group[];

  it('a device is in several; the first is the one that old clients see', async () => {
    expect(await status('PATCH', own('/north/devices'), ['d1', 'd2'])).toBe(200);
    expect((await call('PATCH', own('/lab/devices'), ['d1', 'nobody'])).body).toEqual({
      matched_count: 1,
      updated_count: 1,
    });
    expect(await groupsOf('d1')).toEqual({ groups: ['north', 'lab'], first: 'north' });
    expect((await call('GET', `${inventoryV1}/devices/d1/group`)).body).toEqual({ group: 'north' });
    expect((await call('GET', `${inventoryV1}/groups`)).body).toEqual(['lab', 'north']);
    expect(await members('lab')).toEqual(['d1']);
    const found = await call('POST', `${inventoryV2}/filters/search`, {
      filters: [{ scope: 'system', attribute: 'group', type: '$eq', value: 'lab' }],
    });
    expect((found.body as InventoryDevice[]).map(({ id }) => id)).toEqual(['d1']);
    expect((await call('GET', `${inventoryV1}/devices?group=lab`)).headers.get('x-total-count')).toBe('1');
  });

  it('an old client that moves a device changes its first group only', async () => {
    expect(await status('PUT', `${inventoryV1}/devices/d1/group`, { group: 'south' })).toBe(204);
    expect((await groupsOf('d1')).groups).toEqual(['south', 'lab']);
    expect(await status('PUT', `${inventoryV1}/devices/d1/group`, { group: 'lab' })).toBe(204);
    expect((await groupsOf('d1')).groups).toEqual(['lab']);
    expect((await call('PATCH', `${inventoryV1}/groups/north/devices`, ['d1'])).body).toEqual({
      matched_count: 1,
      updated_count: 1,
    });
    expect((await groupsOf('d1')).groups).toEqual(['north']);
    expect((await call('GET', `${inventoryV1}/groups`)).body).toEqual(['north']);
  });

  it('one that leaves its first group has its second as the first', async () => {
    await call('PATCH', own('/lab/devices'), ['d1']);
    expect(await status('DELETE', `${inventoryV1}/devices/d1/group/north`)).toBe(204);
    expect(await groupsOf('d1')).toEqual({ groups: ['lab'], first: 'lab' });
    expect(await status('DELETE', `${inventoryV1}/devices/d1/group/north`)).toBe(404);
    expect((await call('DELETE', own('/lab/devices'), ['d1', 'd2'])).body).toEqual({
      matched_count: 1,
      updated_count: 1,
    });
    expect(await groupsOf('d1')).toEqual({ groups: undefined, first: undefined });
    expect(await status('GET', own('/lab'))).toBe(404);
  });

  it('a dynamic one has what its filter finds, now and later', async () => {
    const terms = [{ scope: 'inventory', attribute: 'zone', type: '$regex', value: '^hall' }];
    expect(await status('POST', own(), { name: 'halls', terms, description: 'all halls' })).toBe(201);
    expect(await members('halls')).toEqual(['d1', 'd2', 'd4']);
    expect((await call('GET', own('/halls'))).body).toMatchObject({
      kind: 'dynamic',
      devices: 3,
      terms,
      description: 'all halls',
    });
    expect(await status('PATCH', own('/halls'), { terms: [{ ...terms[0], value: '^yard' }] })).toBe(204);
    expect(await members('halls')).toEqual(['d3']);
    expect((await list()).find((group) => group.name === 'halls')?.devices).toBeUndefined();
    expect((await list('?count=true')).find((group) => group.name === 'halls')?.devices).toBe(1);
    await call('PATCH', own('/halls'), { terms });
  });

  it('takes no members into a dynamic one, and no name twice', async () => {
    const terms = [{ scope: 'inventory', attribute: 'zone', type: '$exists', value: true }];
    for (const [method, path, body] of [
      ['PATCH', own('/halls/devices'), ['d1']],
      ['PATCH', `${inventoryV1}/groups/halls/devices`, ['d1']],
      ['PUT', `${inventoryV1}/devices/d1/group`, { group: 'halls' }],
      ['PATCH', own('/north'), { terms }],
    ] as const)
      expect([path, (await call(method, path, body)).status]).toEqual([path, 422]);
    expect(await status('POST', own(), { name: 'halls', terms })).toBe(409);
    await call('PATCH', own('/north/devices'), ['d2']);
    expect(await status('POST', own(), { name: 'north', terms })).toBe(409);
  });

  it.each([
    ['a name with a space', { name: 'a b' }],
    ['no terms at all', { name: 'x', terms: [] }],
    ['a bad pattern', { name: 'x', terms: [{ scope: 'inventory', attribute: 'a', type: '$regex', value: '(' }] }],
    [
      'an operator that is none',
      { name: 'x', terms: [{ scope: 'inventory', attribute: 'a', type: '$or', value: '' }] },
    ],
    ['NUL', { name: 'x', description: 'a\0b' }],
  ])('refuses %s with 400', async (_, body) => {
    expect(await status('POST', own(), body)).toBe(400);
  });

  it('shows groups in groups, never in a circle, and those of a removed one move up', async () => {
    expect(await status('POST', own(), { name: 'site' })).toBe(201);
    expect(await status('POST', own(), { name: 'floor', parent: 'site' })).toBe(201);
    expect(await status('PATCH', own('/halls'), { parent: 'floor' })).toBe(204);
    await call('PATCH', own('/floor/devices'), ['d3', 'd1']);
    expect(await members('site')).toEqual([]);
    expect(await members('site', '&nested=true')).toEqual(['d1', 'd2', 'd3', 'd4']);
    expect((await call('PATCH', own('/site'), { parent: 'floor' })).status).toBe(422);
    expect(await status('PATCH', own('/site'), { parent: 'site' })).toBe(422);
    expect(await status('PATCH', own('/site'), { parent: 'nowhere' })).toBe(422);
    expect(await status('DELETE', own('/floor'))).toBe(204);
    expect((await list()).map(({ name, parent }) => [name, parent])).toEqual([
      ['halls', 'site'],
      ['north', undefined],
      ['site', undefined],
    ]);
    expect((await groupsOf('d3')).groups).toBeUndefined();
  });

  it('saved filters are the same by their ids (§4.2)', async () => {
    const filters = `${inventoryV2}/filters`;
    const terms = [{ scope: 'identity', attribute: 'status', type: '$eq', value: 'pending' }];
    const made = await call('POST', filters, { name: 'waiting', terms });
    expect(made.status).toBe(201);
    const path = made.headers.get('location') ?? '';
    expect((await call('GET', path)).body).toEqual({ id: path.split('/').at(-1), name: 'waiting', terms });
    expect(((await call('GET', `${filters}?per_page=1`)).body as unknown[]).length).toBe(1);
    const found = await call('GET', `${path}/search?per_page=1`);
    expect((found.body as InventoryDevice[]).map(({ id }) => id)).toEqual(['d4']);
    expect(found.headers.get('x-total-count')).toBe('1');
    expect(await status('DELETE', path)).toBe(204);
    for (const method of ['GET', 'DELETE']) expect(await status(method, path)).toBe(404);
    expect(await status('GET', `${path}/search`)).toBe(404);
  });

  it('a release goes to the accepted devices that a filter finds, or that a group of either kind has (§4.1)', async () => {
    const artifact = await artifactBytes({
      name: 'r1',
      depends: { device_type: ['qemu'] },
      payload: { type: 'x', provides: {}, depends: {}, clears: [], files: [] },
    });
    const form = new FormData();
    form.set('artifact', new Blob([new Uint8Array(artifact)]), 'a.mender');
    const url = `${server.url}${deploymentsV1}/artifacts`;
    const uploaded = await fetch(url, { method: 'POST', body: form, headers: { authorization: `Bearer ${token}` } });
    expect(uploaded.status).toBe(201);
    const { id } = (await call('GET', own('/halls'))).body as Group;
    const devicesOf = async (made: Answer) => {
      expect([made.status, made.text]).toEqual([201, '']);
      const path = made.headers.get('location') ?? '';
      return { shown: (await call('GET', path)).body, devices: (await call('GET', `${path}/device_list`)).body };
    };
    const byFilter = await devicesOf(
      await call('POST', `${deploymentsV2}/deployments`, {
        name: 'by filter',
        artifact_name: 'r1',
        filter_id: id,
        retries: 3,
      }),
    );
    expect(byFilter).toMatchObject({ devices: ['d1', 'd2'], shown: { max_devices: 2, filter: { id, name: 'halls' } } });
    const to = (group: string) =>
      call('POST', `${deploymentsV1}/deployments/group/${group}`, { name: group, artifact_name: 'r1' });
    expect((await devicesOf(await to('halls'))).devices).toEqual(['d1', 'd2']);
    expect((await devicesOf(await to('north'))).devices).toEqual(['d2']);
    expect((await to('nobody')).status).toBe(400);
    const unknown = { name: 'x', artifact_name: 'r1', filter_id: 'none' };
    expect(await status('POST', `${deploymentsV2}/deployments`, unknown)).toBe(404);
  });
});
