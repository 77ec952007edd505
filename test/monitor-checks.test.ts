// Checks that the server asks devices to make: where they are given, what comes of it, and what devices say of them.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { databaseFor, stage, type Answer, type Stage, usualDatabase } from '../server/stage.ts';

const own = '/api/devices/v1/devicemonitor';
const reference = '/api/management/v1/devicemonitor';
const base = '/api/management/v1/patchbay/monitor';

const disk = (percent: number) => ({ type: 'disk', name: 'root', percent });
const nginx = { type: 'service', name: 'nginx' };

describe.each([usualDatabase])('checks on %s', (database) => {
  let server: Stage;
  let token = '';
  beforeAll(async () => {
    server = await stage({ database: await databaseFor(database) });
    token = await server.login();
  });
  afterAll(() => server.close());

  const call = (method: string, path: string, body?: unknown, as = token) =>
    server.call(method, path, { token: as, ...(body === undefined ? {} : { body }) });
  const give = (place: string, checks: unknown[], more: object = {}): Promise<Answer> =>
    call('PUT', `${base}/checks/${place}`, { checks, ...more });
  const asked = (device: { token: string }, etag?: string) =>
    server.call('GET', `${own}/checks`, {
      token: device.token,
      ...(etag === undefined ? {} : { headers: { 'if-none-match': etag } }),
    });
  const into = (id: string, group: string) =>
    call('PUT', `/api/management/v1/inventory/devices/${id}/group`, { group });
  interface Whole {
    readonly version: string;
    readonly given_version?: string;
    readonly checks: { id: string; origin: object; overrides: object[]; applied: string; refused?: string }[];
    readonly reported: unknown[];
  }
  const whole = async (id: string) => (await call('GET', `${base}/devices/${id}/checks`)).body as Whole;

  it('of the fleet, of a group and of the device add up, and the narrower place wins', async () => {
    const device = await server.addDevice();
    await into(device.id, 'kiosks');
    expect((await asked(device)).body).toMatchObject({ checks: [] });
    await give('fleet', [disk(90), nginx, { type: 'memory', name: 'all' }]);
    await give('groups/kiosks', [disk(80)], { without: ['memory_all'] });
    await give(`devices/${device.id}`, [{ type: 'load', name: 'all', load: 4 }]);
    const { body } = await asked(device);
    expect((body as { checks: unknown[] }).checks).toEqual([disk(80), { type: 'load', name: 'all', load: 4 }, nginx]);
    expect((await whole(device.id)).checks.map(({ id, origin, overrides }) => [id, origin, overrides])).toEqual([
      ['disk_root', { kind: 'group', name: 'kiosks' }, [{ kind: 'fleet', name: '' }]],
      ['load_all', { kind: 'device', name: device.id }, []],
      ['service_nginx', { kind: 'fleet', name: '' }, []],
    ]);
    // Of two groups the higher priority.
    await call('PATCH', '/api/management/v1/patchbay/groups/lobby/devices', { add: [device.id] });
    const places = (await call('GET', `${base}/checks`)).body;
    expect(places).toEqual([
      { kind: 'group', name: 'kiosks', checks: 1, version: 1, priority: 0 },
      { kind: 'fleet', name: '', checks: 3, version: 1, priority: 0 },
    ]);
  });

  it('are sent once: what a device has is not sent again', async () => {
    const device = await server.addDevice();
    const first = await asked(device);
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toBe(`"${(first.body as { version: string }).version}"`);
    const again = await asked(device, etag);
    expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag]);
    expect((await asked(device, `W/${etag}, "other"`)).status).toBe(304);
    await give(`devices/${device.id}`, [{ type: 'network', name: 'gate', host: '192.0.2.1', port: 443 }]);
    const changed = await asked(device, etag);
    expect([changed.status, changed.headers.get('etag') === etag]).toEqual([200, false]);
    // The same again is the same version, whenever it was given.
    await give(`devices/${device.id}`, []);
    expect((await asked(device)).headers.get('etag')).toBe(etag);
  });

  it('are reported by the device: made, or refused and why (MON-18)', async () => {
    const device = await server.addDevice();
    await give(`devices/${device.id}`, [{ type: 'script', name: 'raid', script: 'raid.sh' }, disk(50)]);
    const { version } = (await asked(device)).body as { version: string };
    expect((await whole(device.id)).checks.every(({ applied }) => applied === 'unknown')).toBe(true);
    const config = [
      { name: 'disk_root.sh', type: 'disk', status: 'enabled', origin: 'server', version },
      { name: 'raid', type: 'script', status: 'refused', origin: 'server', version, refused: 'no such script' },
      { name: 'crond.sh', type: 'service', status: 'enabled', service: { name: 'crond', type: 'systemd' } },
    ];
    const report = (body: unknown) => server.call('POST', `${own}/config`, { token: device.token, body });
    expect((await report(config)).status).toBe(204);
    const seen = await whole(device.id);
    expect([seen.version, seen.given_version]).toEqual([version, version]);
    const said = Object.fromEntries(seen.checks.map(({ id, applied, refused }) => [id, [applied, refused]]));
    expect(said).toMatchObject({ disk_root: ['applied', undefined], script_raid: ['refused', 'no such script'] });
    expect((await call('GET', `${reference}/devices/${device.id}/config`)).body).toEqual(config);
    expect((await report([{ name: 'x' }])).status).toBe(400);
    expect((await report({})).status).toBe(400);
    expect((await call('GET', `${reference}/devices/${device.id}/config`)).body).toEqual(config);
  });

  it('have a history, with what changed, and an old version can be given again', async () => {
    const device = await server.addDevice();
    const place = `devices/${device.id}`;
    await give(place, [disk(90)]);
    await give(place, [disk(80), nginx]);
    await give(place, [disk(80), nginx]); // nothing new
    await give(place, [nginx]);
    const history = async () =>
      (await call('GET', `${base}/checks/${place}/history`)).body as Record<string, unknown>[];
    expect(
      (await history()).map(({ version, by, added, changed, removed }) => [version, by, added, changed, removed]),
    ).toEqual([
      [3, 'admin@example.com', [], [], ['disk_root']],
      [2, 'admin@example.com', ['service_nginx'], ['disk_root'], []],
      [1, 'admin@example.com', ['disk_root'], [], []],
    ]);
    const reverted = await call('POST', `${base}/checks/${place}/revert`, { version: 1 });
    expect(reverted.body).toMatchObject({ version: 4, checks: [disk(90)] });
    expect((await history())[0]).toMatchObject({ version: 4, reverts: 1 });
    expect((await call('POST', `${base}/checks/${place}/revert`, { version: 9 })).status).toBe(404);
  });

  it.each([
    ['twice', [disk(1), disk(2)], 'disk_root is there twice'],
    ['with a pattern that is none', [{ type: 'log', name: 'l', file: '/x', pattern: '(' }], 'no regular expression'],
    [
      'with a pattern that could run for ever',
      [{ type: 'log', name: 'l', file: '/x', pattern: String.raw`(a)\1` }],
      'RE2',
    ],
    ['of a log without a source', [{ type: 'log', name: 'l', pattern: 'x' }], 'one of file and journal'],
    ['of no signal', [{ type: 'dbus', name: 'd' }], 'a pattern or a watch'],
    ['of no certificate', [{ type: 'certificate', name: 'c' }], 'one of file and host'],
    ['of no process', [{ type: 'process', name: 'p' }], 'a process or a pattern'],
    ['of an unknown kind', [{ type: 'mood', name: 'm' }], ''],
    ['with a name of other signs', [{ type: 'memory', name: '../x' }], ''],
  ])('%s are refused', async (_, checks, why) => {
    const { status, text } = await give('fleet', checks);
    expect(status).toBe(400);
    expect(text).toContain(why);
  });

  it('are for those who configure devices, each where he may', async () => {
    const [device, other] = [await server.addDevice(), await server.addDevice()];
    await into(device.id, 'plant');
    const grants = ['devices:read', 'devices:configure'].map((permission) => ({ permission, groups: ['plant'] }));
    await call('POST', '/api/management/v1/patchbay/roles', { name: 'planter', grants });
    const planter = await server.addUser('planter@example.com', ['planter']);
    const support = await server.addUser('support@example.com', ['support']);
    const put = async (place: string, as: string) =>
      (await call('PUT', `${base}/checks/${place}`, { checks: [nginx] }, as)).status;
    expect(await put(`devices/${device.id}`, planter)).toBe(200);
    expect(await put('groups/plant', planter)).toBe(200);
    expect(await put(`devices/${other.id}`, planter)).toBe(404);
    expect(await put('groups/other', planter)).toBe(404);
    expect(await put('fleet', planter)).toBe(403);
    expect(await put(`devices/${device.id}`, support)).toBe(403);
    expect((await call('GET', `${base}/devices/${other.id}/checks`, undefined, support)).status).toBe(200);
    expect((await call('GET', `${base}/devices/${other.id}/checks`, undefined, planter)).status).toBe(404);
    expect(await put('groups/nobody', token)).toBe(404);
    expect((await give(`devices/${device.id}`, [], { priority: 1 })).status).toBe(400);
  });
});
