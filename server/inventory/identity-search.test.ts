import { afterAll, beforeAll, expect, it } from 'vitest';
import type { InventoryDevice } from '#proto/http/devices';
import { stage, type Stage } from '../stage.ts';

let server: Stage;
let token = '';
const ids: string[] = [];
beforeAll(async () => {
  server = await stage();
  token = await server.login();
  for (const mac of ['aa:01', 'aa:02', 'Aa:03', 'a%:04'])
    ids.push((await server.addDevice({ mac, serial: `s-${mac}` })).id);
  await server.call('PUT', `/api/management/v1/inventory/devices/${ids[0]}/tags`, {
    token,
    body: [{ name: 'name', value: 'pump 1' }],
  });
});
afterAll(() => server.close());

const search = (body: unknown) =>
  server.call('POST', '/api/management/v2alpha1/inventory/identities/search', { token, body });
const found = async (scope: string, name: string, value_prefix: string): Promise<number[]> =>
  ((await search({ scope, name, value_prefix })).body as InventoryDevice[])
    .map(({ id }) => ids.indexOf(id))
    .sort((a, b) => a - b);

it('finds devices by the beginning of what they are called', async () => {
  expect(await found('identity', 'mac', 'aa:')).toEqual([0, 1]);
  expect(await found('identity', 'serial', 's-a%')).toEqual([3]);
  expect(await found('identity', 'mac', 'a:')).toEqual([]);
  expect(await found('identity', 'id', ids[2]!.slice(0, 13))).toEqual([2]);
  expect(await found('tags', 'name', 'pump')).toEqual([0]);
});

it('gives a page, and of each device what was asked for', async () => {
  const attributes = [{ scope: 'identity', attribute: 'mac' }];
  const answer = await search({ scope: 'identity', name: 'mac', value_prefix: 'a', per_page: 2, attributes });
  const devices = answer.body as InventoryDevice[];
  expect(devices.map((device) => device.attributes.map(({ name }) => name))).toEqual([['mac'], ['mac']]);
  expect(answer.headers.get('x-total-count')).toBe('3');
  expect(answer.headers.get('link')).toContain('rel="next"');
});

it.each([
  [{ scope: 'inventory', name: 'mac', value_prefix: 'a' }, /scope/],
  [{ scope: 'tags', name: 'colour', value_prefix: 'a' }, /only "name"/],
  [{ scope: 'identity', name: 'mac' }, /value_prefix/],
  [{ scope: 'identity', name: 'mac', value_prefix: 'a', per_page: 501 }, /above limit \(max: 500\)/],
  [{ scope: 'identity', name: 'mac', value_prefix: 'a', page: 0 }, /page/],
])('%j is refused', async (body, why) => {
  expect(await search(body)).toMatchObject({ status: 400, body: { error: expect.stringMatching(why) } });
});
