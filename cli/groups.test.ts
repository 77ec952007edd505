import { expect, test } from 'vitest';
import { groupsPath } from '#proto/http/paths';
import { person, serve } from './bench.testing.ts';

const halls = {
  name: 'halls',
  kind: 'dynamic',
  parent: 'site',
  devices: 3,
  terms: [{ scope: 'inventory', attribute: 'zone', type: '$regex', value: '^hall' }],
};
const site = { name: 'site', kind: 'static', devices: 0, description: 'all of it' };
const found = { id: 'd1', updated_ts: '', attributes: [{ scope: 'inventory', name: 'hostname', value: 'pump' }] };

test('groups are a table, those that are shown in another below it, and JSON for scripts', async () => {
  await using server = await serve({ [`GET ${groupsPath}`]: { json: [halls, site] } });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const lines = (await ada.call(['groups'], env)).out.split('\n');
  expect(lines[0]).toMatch(/^GROUP +KIND +DEVICES +FINDS +DESCRIPTION/);
  expect(lines[1]).toMatch(/^site +static +0 +all of it/);
  expect(lines[2]).toMatch(/^ {2}halls +dynamic +3 +zone regex "\^hall"/);
  expect(server.asked[0]?.query.get('count')).toBe('true');
  expect(JSON.parse((await ada.call(['groups', '--json'], env)).out)).toMatchObject([site, halls]);
});

test('a filter becomes the terms of a dynamic group; numbers are compared by the server', async () => {
  await using server = await serve({ [`POST ${groupsPath}`]: { status: 201 } });
  await using ada = await person();
  const args = ['groups', 'create', 'big', '--filter', 'cpu>=4', '--filter', 'tags/zone!=x', '--in', 'site'];
  const { code, err } = await ada.call(args, { server: server.url, token: 't' });
  expect([code, err]).toEqual([0, 'made dynamic group big\n']);
  expect(JSON.parse(server.asked[0]?.body ?? '')).toEqual({
    name: 'big',
    parent: 'site',
    terms: [
      { scope: 'inventory', attribute: 'cpu', type: '$gte', value: 4 },
      { scope: 'tags', attribute: 'zone', type: '$ne', value: 'x' },
    ],
  });
});

test('devices are put into a group and taken out by the names that people give them', async () => {
  const path = `${groupsPath}/north/devices`;
  await using server = await serve({
    'POST /api/management/v2/inventory/filters/search': { json: [found], headers: { 'x-total-count': '1' } },
    [`PATCH ${path}`]: { json: { matched_count: 1, updated_count: 1 } },
    [`DELETE ${path}`]: { json: { matched_count: 1, updated_count: 1 } },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  expect((await ada.call(['groups', 'add', 'north', 'pump'], env)).err).toBe('north has pump\n');
  expect((await ada.call(['groups', 'remove', 'north', 'pump'], env)).err).toBe('north no longer has pump\n');
  const changes = server.asked.filter((asked) => asked.path === path);
  expect(changes.map(({ method, body }) => [method, body])).toEqual([
    ['PATCH', '["d1"]'],
    ['DELETE', '["d1"]'],
  ]);
});

test('what is wrong is said in one line', async () => {
  await using server = await serve({
    [`POST ${groupsPath}`]: { status: 409, json: { error: 'there is a group x already', request_id: '' } },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  expect(await ada.call(['groups', 'set', 'x'], env)).toMatchObject({
    code: 2,
    err: expect.stringContaining('--filter') as string,
  });
  expect((await ada.call(['groups', 'show', 'x'], env)).code).toBe(1);
  expect((await ada.call(['groups', 'create', 'x'], env)).err).toContain('there is a group x already');
  expect((await ada.call(['groups', 'create', 'x', '--filter', '?!'], env)).code).toBe(2);
});
