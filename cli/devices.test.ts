import { expect, test } from 'vitest';
import { person, serve, type Asked, type Reply } from './bench.testing.ts';

const search = 'POST /api/management/v2/inventory/filters/search';
const presence = 'POST /api/management/v1/patchbay/presence/search';
const devauth = '/api/management/v2/devauth/devices';

const device = (id: string, hostname: string, status = 'accepted', mac = `02:00:${id}`) => ({
  id,
  updated_ts: '2026-08-22T10:00:00.000Z',
  attributes: [
    { scope: 'identity', name: 'status', value: status },
    { scope: 'identity', name: 'mac', value: mac },
    ...(hostname ? [{ scope: 'inventory', name: 'hostname', value: hostname }] : []),
    { scope: 'inventory', name: 'device_type', value: 'raspberrypi4' },
    { scope: 'inventory', name: 'artifact_name', value: 'release-1' },
  ],
});

/** Text search as a server does it: whole words only. */
const searching =
  (...devices: ReturnType<typeof device>[]) =>
  ({ body }: Asked): Reply => {
    const { text, page, per_page } = JSON.parse(body) as { text?: string; page: number; per_page: number };
    const found = devices.filter((one) => !text || [one.id, ...one.attributes.map((a) => a.value)].includes(text));
    return {
      json: found.slice((page - 1) * per_page, page * per_page),
      headers: { 'x-total-count': String(found.length) },
    };
  };

test('devices are a table for people and JSON for scripts', async () => {
  await using server = await serve({
    [search]: searching(device('a1', 'pump', 'pending'), device('b2', '')),
    [presence]: { json: [{ device_id: 'b2', status: 'connected' }] },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const lines = (await ada.call(['devices'], env)).out.split('\n');
  expect(lines[0]).toMatch(/^NAME +STATUS +CONNECTED +TYPE +RELEASE +CHECK-IN +ID$/);
  expect(lines[1]).toMatch(/^pump +pending +- +raspberrypi4 +release-1 +\d+ d ago +a1$/);
  expect(lines[2]).toMatch(/^02:00:b2 +accepted +yes .* b2$/);
  const json = JSON.parse((await ada.call(['devices', '--json'], env)).out) as unknown[];
  expect(json[0]).toMatchObject({
    id: 'a1',
    name: 'pump',
    status: 'pending',
    connection: 'unknown',
    attributes: { identity: { mac: '02:00:a1' } },
  });
});

test('a fleet of more than one page is listed whole, or up to --limit', async () => {
  const many = Array.from({ length: 1234 }, (_, i) => device(`d${i}`, `host-${i}`));
  await using server = await serve({ [search]: searching(...many), [presence]: { json: [] } });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  expect(JSON.parse((await ada.call(['devices', '--json'], env)).out)).toHaveLength(1234);
  // And who is connected, by one question a page.
  expect(server.asked).toHaveLength(6);
  expect(JSON.parse((await ada.call(['devices', '--json', '--limit', '7'], env)).out)).toHaveLength(7);
});

test('devices of a server that cannot say who is connected are listed all the same', async () => {
  await using server = await serve({ [search]: searching(device('a1', 'pump')) });
  await using ada = await person();
  const { out, code } = await ada.call(['devices'], { server: server.url, token: 't' });
  expect([code, out]).toEqual([0, expect.stringMatching(/pump +accepted +- /)]);
});

test('--status, --filter and --search are asked of the server', async () => {
  await using server = await serve({ [search]: { json: [] } });
  await using ada = await person();
  const args = ['devices', '--status', 'pending', '--status', 'rejected', '--search', 'pump'];
  const filters = [
    '--filter',
    'identity/mac=02:0f',
    '--filter',
    'cores>=4',
    '--filter',
    'ram=4',
    '--filter',
    'tags/site',
  ];
  const { err } = await ada.call([...args, ...filters], { server: server.url, token: 't' });
  expect(err).toBe('no device matches\n');
  expect(JSON.parse(server.asked[0]!.body)).toMatchObject({
    text: 'pump',
    filters: [
      { scope: 'identity', attribute: 'mac', type: '$eq', value: '02:0f' },
      { scope: 'inventory', attribute: 'cores', type: '$exists', value: true },
      { scope: 'inventory', attribute: 'ram', type: '$in', value: ['4', 4] },
      { scope: 'tags', attribute: 'site', type: '$exists', value: true },
      { scope: 'identity', attribute: 'status', type: '$in', value: ['pending', 'rejected'] },
    ],
  });
});

test('numbers are compared as numbers, though devices report them as text', async () => {
  const sized = (id: string, ram: string) => {
    const one = device(id, `host-${id}`);
    return { ...one, attributes: [...one.attributes, { scope: 'inventory', name: 'ram', value: ram }] };
  };
  await using server = await serve({ [search]: searching(sized('a', '512'), sized('b', '4096'), sized('c', 'much')) });
  await using ada = await person();
  const found = async (term: string) => {
    const { out } = await ada.call(['devices', '--json', '--filter', term], { server: server.url, token: 't' });
    return (JSON.parse(out) as { id: string }[]).map(({ id }) => id);
  };
  expect(await found('ram>=1024')).toEqual(['b']);
  expect(await found('ram<1024')).toEqual(['a']);
});

test('a wrong filter or status is wrong usage', async () => {
  await using ada = await person();
  for (const args of [
    ['--filter', 'nowhere/x=1'],
    ['--filter', 'x>many'],
    ['--filter', ''],
    ['--status', 'asleep'],
    ['--limit', '0'],
    ['what'],
  ]) {
    const { code, err } = await ada.call(['devices', ...args], { server: 'http://127.0.0.1:1', token: 't' });
    expect({ args, code, lines: err.trim().split('\n').length }).toEqual({ args, code: 2, lines: 1 });
  }
});

const set = (id: string, status: string) => ({
  id,
  status,
  ts: '2026-08-22T10:00:00.000Z',
  pubkey: '',
  identity_data: {},
});
const auth = (id: string, ...sets: ReturnType<typeof set>[]) => ({
  json: { id, status: 'pending', identity_data: {}, auth_sets: sets, decommissioning: false },
});

test('a device is accepted by id, host name, identity value or unique prefix', async () => {
  const id = '6f1e2d3c-0000-4000-8000-000000000001';
  await using server = await serve({
    [search]: searching(device(id, 'pump-station', 'pending', '02:aa'), device('77', 'pump', 'pending', '02:ab')),
    [`GET /api/management/v1/inventory/devices/${id}`]: { json: device(id, 'pump-station') },
    [`GET ${devauth}/${id}`]: auth(id, set('s0', 'rejected'), set('s1', 'pending')),
    [`PUT ${devauth}/${id}/auth/s1/status`]: { status: 204 },
  });
  await using ada = await person();
  for (const wanted of [id, 'pump-station', 'PUMP-STATION', '02:aa', 'pump-', '6f1e2']) {
    server.asked.length = 0;
    const { code, err } = await ada.call(['devices', 'accept', wanted], { server: server.url, token: 't' });
    expect({ wanted, code, err }).toEqual({ wanted, code: 0, err: `pump-station (${id}) accepted\n` });
    expect(JSON.parse(server.asked.at(-1)!.body)).toEqual({ status: 'accepted' });
  }
});

test('an ambiguous name changes nothing and lists who it may be; an exact name is never ambiguous with a longer one', async () => {
  await using server = await serve({
    [search]: searching(device('a', 'pump-1'), device('b', 'pump-2'), device('c', 'pump')),
    [`GET ${devauth}/c`]: auth('c', set('s', 'pending')),
    [`PUT ${devauth}/c/auth/s/status`]: { status: 204 },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const { code, err } = await ada.call(['devices', 'reject', 'pump-'], env);
  expect({ code, err }).toEqual({
    code: 1,
    err: "error: 'pump-' may be any of pump-1 (a), pump-2 (b): write more of it, or the id\n",
  });
  expect((await ada.call(['devices', 'accept', 'pump'], env)).err).toBe('pump (c) accepted\n');
  expect((await ada.call(['devices', 'accept', 'fan'], env)).err).toBe(
    "error: no device is called 'fan': 'patchbay devices' lists them\n",
  );
});

test('a device with several pending keys is accepted only by naming one', async () => {
  await using server = await serve({
    [search]: searching(device('a', 'pump')),
    [`GET ${devauth}/a`]: auth('a', set('s1', 'pending'), set('s2', 'pending')),
    [`PUT ${devauth}/a/auth/s2/status`]: { status: 204 },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  expect((await ada.call(['devices', 'accept', 'pump'], env)).err).toContain('choose one by --auth-set: s1');
  expect((await ada.call(['devices', 'accept', 'pump', '--auth-set', 's2'], env)).code).toBe(0);
});

test('decommissioning from a script needs --yes', async () => {
  await using server = await serve({
    [search]: searching(device('a', 'pump')),
    [`DELETE ${devauth}/a`]: { status: 204 },
  });
  await using ada = await person();
  const env = { server: server.url, token: 't' };
  const refused = await ada.call(['devices', 'decommission', 'pump'], env);
  expect({ code: refused.code, err: refused.err }).toEqual({
    code: 2,
    err: 'error: this cannot be undone: give --yes\n',
  });
  expect((await ada.call(['devices', 'decommission', 'pump', '--yes'], env)).err).toBe('pump (a) decommissioned\n');
});

test('a host name cannot write on the operator’s screen', async () => {
  await using server = await serve({ [search]: searching(device('a', 'x\u001b[2Jy\nz')) });
  await using ada = await person();
  expect((await ada.call(['devices'], { server: server.url, token: 't' })).out).toContain('x�[2Jy�z');
});

test('a server that is something else is told from one that is broken', async () => {
  await using server = await serve({ [search]: { json: { hello: 'world' } } });
  await using ada = await person();
  expect((await ada.call(['devices'], { server: server.url, token: 't' })).err).toBe(
    "error: the server's answer about devices is no list: is it a Patchbay or Mender server?\n",
  );
});
