// Alerts as devices send them and as people read them (add-ons.md §6, MON-17, 20, 21, 24), on both databases.
import { io } from 'socket.io-client';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { livePath } from '#proto/http/live';
import { databaseFor, stage, type Stage, usualDatabase } from '../server/stage.ts';

const own = '/api/devices/v1/devicemonitor';
const reference = '/api/management/v1/devicemonitor';
const base = '/api/management/v1/patchbay/monitor';

interface Line {
  readonly [key: string]: unknown;
  readonly id: string;
  readonly name: string;
  readonly level: string;
  readonly timestamp: string;
}

/** An alert as our devices send it. */
function alert(level: string, name: string, more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    name,
    level,
    timestamp: '2026-11-28T10:00:00Z',
    subject: { name: 'nginx', type: 'systemd', status: level === 'OK' ? 'running' : 'not-running' },
    ...more,
  };
}

describe.each([usualDatabase])('alerts (server-api.md §1.9, §4.10) on %s', (database) => {
  let server: Stage;
  let token = '';
  beforeAll(async () => {
    server = await stage({ database: await databaseFor(database) });
    token = await server.login();
  });
  afterAll(() => server.close());

  async function get(path: string, as = token) {
    const { body, headers, status } = await server.call('GET', path, { token: as });
    const total = Number(headers.get('x-total-count') ?? NaN);
    return { body: body as Line[], total, status, link: headers.get('link') ?? '' };
  }
  const post = (device: { token: string }, alerts: unknown) =>
    server.call('POST', `${own}/alert`, { token: device.token, body: alerts });
  async function posted(device: { token: string }, ...alerts: unknown[]): Promise<void> {
    const { status, text } = await post(device, alerts);
    expect([status, text]).toEqual([204, '']);
  }
  const history = (id: string, query = '') => get(`${reference}/devices/${id}/alerts${query}`);
  const latest = (id: string, query = '') => get(`${reference}/devices/${id}/alerts/latest${query}`);
  const bad = (query = '') => get(`${base}/alerts${query}`);
  async function attributes(id: string): Promise<Record<string, unknown>> {
    const { body } = await server.call('GET', `/api/management/v1/inventory/devices/${id}`, { token });
    const { attributes } = body as { attributes: { scope: string; name: string; value: unknown }[] };
    const found = attributes.filter(({ scope }) => scope === 'monitor');
    return Object.fromEntries(found.map(({ name, value }) => [name, value]));
  }
  async function found(...filters: unknown[]): Promise<string[]> {
    const { body } = await server.call('POST', '/api/management/v2/inventory/filters/search', {
      token,
      body: { filters },
    });
    return (body as { id: string }[]).map(({ id }) => id);
  }

  it('show in the latest, in the history and in the inventory, and an OK clears them (MON-17)', async () => {
    const device = await server.addDevice();
    const unwell = { scope: 'monitor', attribute: 'alerts', type: '$eq', value: true };
    await posted(
      device,
      alert('CRITICAL', 'Service nginx not running'),
      alert('CRITICAL', 'Service crond not running'),
    );
    expect(await attributes(device.id)).toEqual({ alerts: true, alert_count: 2 });
    expect(await found(unwell)).toEqual([device.id]);
    expect(await found({ scope: 'monitor', attribute: 'alert_count', type: '$gt', value: 1 })).toEqual([device.id]);
    await posted(device, alert('OK', 'Service nginx not running', { timestamp: '2026-11-28T10:01:00Z' }));
    expect(await attributes(device.id)).toEqual({ alerts: true, alert_count: 1 });
    await posted(device, alert('OK', 'Service crond not running', { timestamp: '2026-11-28T10:02:00Z' }));
    expect(await attributes(device.id)).toEqual({ alerts: false, alert_count: 0 });
    expect(await found(unwell)).toEqual([]);
    expect((await latest(device.id)).body.map(({ name, level }) => [name, level])).toEqual([
      ['Service crond not running', 'OK'],
      ['Service nginx not running', 'OK'],
    ]);
    const all = await history(device.id);
    expect([all.total, all.body.map(({ level }) => level)]).toEqual([4, ['OK', 'OK', 'CRITICAL', 'CRITICAL']]);
    expect(all.body[0]).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      device_id: device.id,
      ...alert('OK', 'Service crond not running', { timestamp: '2026-11-28T10:02:00Z' }),
    });
  });

  it('are told to open pages, unless nothing is new', async () => {
    const device = await server.addDevice();
    const page = io(server.url, { path: livePath, transports: ['websocket'], auth: { token } });
    const told: unknown[] = [];
    page.on('addon', (event) => told.push(event));
    await new Promise<void>((resolve) => page.once('connect', resolve));
    const one = alert('CRITICAL', 'x', { id: 'told-only-once' });
    await posted(device, one);
    await posted(device, one);
    await posted(device, alert('OK', 'y'));
    await expect.poll(() => told.length, { timeout: 20_000 }).toBe(2);
    expect(told).toEqual(Array.from({ length: 2 }, () => ({ addon: 'monitor', id: device.id })));
    page.close();
  });

  it('are kept once, however often a device sends them', async () => {
    const device = await server.addDevice();
    const one = alert('CRITICAL', 'Disk full', { id: 'made-on-device-1', check: 'disk_root' });
    const two = alert('OK', 'Disk full', { id: 'made-on-device-2', check: 'disk_root' });
    await posted(device, one);
    await posted(device, one, two, two);
    await posted(device, one);
    const { body } = await history(device.id);
    expect(body.map(({ id }) => id)).toEqual(['made-on-device-2', 'made-on-device-1']);
    expect(await attributes(device.id)).toEqual({ alerts: false, alert_count: 0 });
    // The same id of another device is another alert; without ids (the original) each one counts.
    const other = await server.addDevice();
    await posted(other, one, alert('OK', 'x'), alert('OK', 'x'));
    expect((await history(other.id)).total).toBe(3);
  });

  it.each([
    ['without a subject', () => ({ ...alert('OK', 'x'), subject: undefined })],
    ['of an unknown level', () => alert('BAD', 'x')],
    ['without a name', () => ({ ...alert('OK', 'x'), name: '' })],
    ['of a time that is none', () => alert('OK', 'x', { timestamp: '2026-13-45T10:00:00Z' })],
    ['of a time that is text', () => alert('OK', 'x', { timestamp: 'yesterday' })],
    ['with an id of other signs', () => alert('OK', 'x', { id: 'a b c d e f g h' })],
  ])('%s are refused, with all that came with them (MON-20)', async (_, malformed) => {
    const device = await server.addDevice();
    const { status } = await post(device, [alert('CRITICAL', 'good'), malformed()]);
    expect(status).toBe(400);
    expect((await history(device.id)).total).toBe(0);
    expect(await attributes(device.id)).toEqual({});
  });

  it('are an array, from a device that is known', async () => {
    const device = await server.addDevice();
    expect((await post(device, alert('OK', 'x'))).status).toBe(400);
    expect((await post({ token: 'nonsense' }, [])).status).toBe(401);
    expect((await post({ token }, [])).status).toBe(401);
    expect((await post(device, [])).status).toBe(204);
  });

  it('page, sort and stop at bounds (MON-21)', async () => {
    const device = await server.addDevice();
    const at = (minute: number) => `2026-11-28T10:${String(minute).padStart(2, '0')}:00Z`;
    await posted(
      device,
      ...[3, 1, 4, 0, 2].map((minute) => alert('CRITICAL', `a${minute}`, { timestamp: at(minute) })),
    );
    const names = async (query: string) => {
      const { body, total } = await history(device.id, query);
      return [body.map(({ name }) => name).join(' '), total];
    };
    expect(await names('')).toEqual(['a4 a3 a2 a1 a0', 5]);
    expect(await names('?sort_ascending=true&per_page=2&page=2')).toEqual(['a2 a3', 5]);
    expect(await names(`?issued_after=${at(1)}&issued_before=${at(3)}`)).toEqual(['a3 a2 a1', 3]);
    expect(await names(`?issued_after=${Date.parse(at(3)) / 1000}`)).toEqual(['a4 a3', 2]);
    expect(await names('?page=9')).toEqual(['', 5]);
    const { link } = await history(device.id, '?per_page=2&page=2&sort_ascending=true');
    for (const [rel, page] of [
      ['first', 1],
      ['prev', 1],
      ['next', 3],
      ['last', 3],
    ] as const)
      expect(link).toContain(`/alerts?page=${page}&per_page=2&sort_ascending=true>; rel="${rel}"`);
    for (const query of ['?page=0', '?per_page=501', '?page=x', '?issued_after=noon', '?sort_ascending=up'])
      expect((await history(device.id, query)).status, query).toBe(400);
    const newest = await latest(device.id, '?per_page=2');
    expect([newest.body.map(({ name }) => name), newest.total]).toEqual([['a4', 'a3'], 5]);
    expect((await history('00000000-0000-4000-8000-000000000000')).status).toBe(404);
  });

  it('of the original that come late are history, and do not bring an old state back', async () => {
    const device = await server.addDevice();
    const now = Date.now();
    const ago = (s: number) => new Date(now - s * 1000).toISOString();
    await posted(device, alert('OK', 'link down', { timestamp: ago(10) }));
    await posted(device, alert('CRITICAL', 'link down', { timestamp: ago(600) }));
    expect(await attributes(device.id)).toEqual({ alerts: false, alert_count: 0 });
    expect((await history(device.id)).total).toBe(2);
    // A clock that was wrong for a while: then the order of arrival is all that there is.
    await posted(device, alert('CRITICAL', 'clock', { timestamp: '2099-01-01T00:00:00Z' }));
    await posted(device, alert('OK', 'clock', { timestamp: ago(5) }));
    expect(await attributes(device.id)).toEqual({ alerts: false, alert_count: 0 });
    // Ours come in order, whatever the clock says.
    const check = 'service_x';
    await posted(device, alert('CRITICAL', 'x', { id: 'ours-0001', check, timestamp: ago(5) }));
    await posted(device, alert('OK', 'x', { id: 'ours-0002', check, timestamp: '1970-01-01T00:00:05Z' }));
    expect(await attributes(device.id)).toEqual({ alerts: false, alert_count: 0 });
  });

  it('of a service of the original that goes up and down are of the same check as that it does not run', async () => {
    const device = await server.addDevice();
    await posted(device, alert('CRITICAL', 'Service crond going up and down'));
    expect(await attributes(device.id)).toEqual({ alerts: true, alert_count: 1 });
    await posted(device, alert('OK', 'Service crond not running', { timestamp: '2026-11-28T10:01:00Z' }));
    expect(await attributes(device.id)).toEqual({ alerts: false, alert_count: 0 });
  });

  it('may hold any character (MON-25)', async () => {
    const device = await server.addDevice();
    const data = '\0 "quotes" \\backslash\\ \u{1f4a5} \ud800 <b>';
    const details = { description: data, lines_before: [{ line_number: 1, data }], line_matching: { data } };
    const subject = { name: 'log', type: 'log', status: 'LOGCONTAINS', details };
    await posted(device, { ...alert('CRITICAL', `Log file contains ${data}`), subject });
    const [kept] = (await history(device.id)).body;
    expect(kept?.['subject']).toEqual(subject);
    expect((await bad(`?device=${device.id}`)).body[0]?.['check']).toContain('"quotes" \\backslash\\ \u{1f4a5}');
  });

  it('of names that are long are told apart, and a device has a thousand checks at most', async () => {
    const device = await server.addDevice();
    const long = (end: string) => 'é'.repeat(1000) + end;
    await posted(device, alert('CRITICAL', long('a')), alert('CRITICAL', long('b')));
    expect(await attributes(device.id)).toMatchObject({ alert_count: 2 });
    for (let at = 0; at < 1002; at += 334)
      await posted(device, ...Array.from({ length: 334 }, (_, n) => alert('CRITICAL', `check ${at + n}`)));
    expect(await attributes(device.id)).toMatchObject({ alert_count: 1000 });
    expect((await latest(device.id)).total).toBe(1000);
  });

  it('are acknowledged until the check is OK again', async () => {
    const device = await server.addDevice();
    const support = await server.addUser(`support-${database}@example.com`, ['support']);
    await posted(device, alert('CRITICAL', 'A', { check: 'a' }), alert('WARNING', 'B', { check: 'b' }));
    const say = (verb: string, body: unknown, as = support) =>
      server.call('POST', `${base}/devices/${device.id}/${verb}`, { token: as, body });
    const states = async () =>
      Object.fromEntries((await bad(`?device=${device.id}`)).body.map(({ check, state }) => [check, state]));
    expect(await states()).toEqual({ a: 'open', b: 'open' });
    expect((await say('acknowledge', { checks: ['a'], note: 'on my way' })).body).toEqual({ checks: ['a'] });
    expect(await states()).toEqual({ a: 'acknowledged', b: 'open' });
    const [seen] = (await bad(`?device=${device.id}&state=acknowledged`)).body;
    const by = `support-${database}@example.com`.toLowerCase();
    expect(seen?.['acknowledged']).toMatchObject({ by, note: 'on my way', ts: expect.any(String) });
    // Worse than before, it is still the same trouble; OK and bad again, it is new.
    await posted(device, alert('CRITICAL', 'B', { check: 'b', timestamp: '2026-11-28T10:01:00Z' }));
    expect((await say('acknowledge', {})).body).toEqual({ checks: ['a', 'b'] });
    await posted(device, alert('OK', 'A', { check: 'a', timestamp: '2026-11-28T10:01:00Z' }));
    await posted(device, alert('CRITICAL', 'A', { check: 'a', timestamp: '2026-11-28T10:02:00Z' }));
    expect(await states()).toEqual({ a: 'open', b: 'acknowledged' });
    expect((await say('unacknowledge', {})).body).toEqual({ checks: ['b'] });
    expect((await say('acknowledge', { checks: ['c'] })).status).toBe(404);
    const reader = await server.addUser(`reader-${database}@example.com`, ['read-only']);
    expect((await say('acknowledge', {}, reader)).status).toBe(403);
    const { body } = await get(`/api/management/v1/patchbay/audit?action=alerts_acknowledge&per_page=1`);
    expect(body[0]?.['action']).toBe('alerts_acknowledge');
  });

  it('are counted and listed by level, group and check, and by what becomes of them', async () => {
    const [one, two] = [await server.addDevice(), await server.addDevice()];
    const group = `counted-${database}`;
    for (const { id } of [one, two])
      await server.call('PUT', `/api/management/v1/inventory/devices/${id}/group`, { token, body: { group } });
    await posted(one, alert('CRITICAL', 'Disk', { check: 'disk_root' }), alert('WARNING', 'Load', { check: 'load' }));
    await posted(two, alert('CRITICAL', 'Disk', { check: 'disk_var' }), alert('OK', 'Load', { check: 'load' }));
    const silence = await server.call('POST', `${base}/silences`, {
      token,
      body: { group, check: 'disk_v*', minutes: 5, reason: 'resized' },
    });
    expect(silence.status).toBe(201);
    await server.call('POST', `${base}/devices/${one.id}/acknowledge`, { token, body: { checks: ['load'] } });
    const counts = (await server.call('GET', `${base}/counts?group=${group}`, { token })).body;
    expect(counts).toEqual({
      open: 1,
      acknowledged: 1,
      silenced: 1,
      devices: 2,
      levels: { CRITICAL: 2, WARNING: 1 },
    });
    const checks = async (query: string) =>
      (await bad(`?group=${group}&${query}`)).body.map(({ check }) => String(check)).sort();
    expect(await checks('')).toEqual(['disk_root', 'disk_var', 'load']);
    expect(await checks('level=WARNING,UNKNOWN')).toEqual(['load']);
    expect(await checks('check=disk_*')).toEqual(['disk_root', 'disk_var']);
    expect(await checks('state=open')).toEqual(['disk_root']);
    expect(await checks('state=silenced')).toEqual(['disk_var']);
    expect((await bad(`?group=${group}&state=silenced`)).body[0]?.['silence']).toMatchObject({ reason: 'resized' });
    expect(await checks('state=acknowledged')).toEqual(['load']);
    expect((await bad('?level=BAD')).status).toBe(400);
    expect((await bad('?group=nobody')).total).toBe(0);
    // A dynamic group on health finds them as well (MON-17), and is a filter here.
    const terms = [{ scope: 'monitor', attribute: 'alert_count', type: '$gte', value: 2 }];
    const unwell = `unwell-${database}`;
    await server.call('POST', '/api/management/v1/patchbay/groups', { token, body: { name: unwell, terms } });
    expect((await bad(`?group=${unwell}&check=disk_root`)).body.map(({ device_id }) => device_id)).toContain(one.id);
    expect((await bad(`?group=${unwell}&check=disk_var`)).total).toBe(0);
  });

  it('of devices that are not his are nobody else’s business', async () => {
    const [mine, theirs] = [await server.addDevice(), await server.addDevice()];
    const [here, there] = [`here-${database}`, `there-${database}`];
    for (const [device, group] of [
      [mine, here],
      [theirs, there],
    ] as const) {
      await server.call('PUT', `/api/management/v1/inventory/devices/${device.id}/group`, { token, body: { group } });
      await posted(device, alert('CRITICAL', 'Private', { check: `private-${database}` }));
    }
    const grants = ['devices:read', 'addon:monitor:respond'].map((permission) => ({ permission, groups: [here] }));
    const role = `watch-${database}`;
    await server.call('POST', '/api/management/v1/patchbay/roles', { token, body: { name: role, grants } });
    const watcher = await server.addUser(`watch-${database}@example.com`, [role]);
    const as = { token: watcher };
    const listed = await get(`${base}/alerts?check=private-${database}`, watcher);
    expect([listed.total, listed.body.map(({ device_id }) => device_id)]).toEqual([1, [mine.id]]);
    expect((await server.call('GET', `${base}/counts?check=private-${database}`, as)).body).toMatchObject({ open: 1 });
    expect((await get(`${reference}/devices/${theirs.id}/alerts`, watcher)).status).toBe(404);
    const say = (id: string) => server.call('POST', `${base}/devices/${id}/acknowledge`, { ...as, body: {} });
    expect([(await say(mine.id)).status, (await say(theirs.id)).status]).toEqual([200, 404]);
    const silence = async (target: object, token = watcher) =>
      await server.call('POST', `${base}/silences`, { token, body: { ...target, minutes: 1, reason: 'x' } });
    expect((await silence({ device: theirs.id })).status).toBe(404);
    expect((await silence({ group: there })).status).toBe(404);
    expect((await silence({ check: 'x' })).status).toBe(403);
    expect((await silence({})).status).toBe(400);
    const own = await silence({ device: mine.id });
    const foreign = await silence({ group: there }, token);
    expect([own.status, foreign.status]).toEqual([201, 201]);
    const ids = async (token: string) =>
      ((await server.call('GET', `${base}/silences`, { token })).body as Line[]).map(({ id }) => id);
    const [ownId, foreignId] = [own, foreign].map(({ body }) => (body as Line).id);
    expect(await ids(watcher)).toEqual([ownId]);
    expect(await ids(token)).toEqual(expect.arrayContaining([ownId, foreignId]));
    const end = (id: string | undefined) => server.call('DELETE', `${base}/silences/${id}`, as);
    expect([(await end(foreignId)).status, (await end(ownId)).status]).toEqual([404, 204]);
    const [ended] = (await server.call('GET', `${base}/silences?device=${mine.id}`, as)).body as Line[];
    expect(ended).toMatchObject({ active: false, ended_by: `watch-${database}@example.com`.toLowerCase() });
  });

  it.each([
    ['neither ends nor minutes', {}],
    ['both', { minutes: 5, ends: '2099-01-01T00:00:00Z' }],
    ['an end that is past', { ends: '2020-01-01T00:00:00Z' }],
    ['more than a year', { ends: '2099-01-01T00:00:00Z' }],
    ['a time that is none', { ends: 'tomorrow' }],
    ['a key that is not known', { minutes: 5, forever: true }],
  ])('are not silenced with %s', async (_, times) => {
    const body = { check: 'x', reason: 'x', ...times };
    expect((await server.call('POST', `${base}/silences`, { token, body })).status).toBe(400);
  });

  it('of a device that is rejected are nobody’s work any more, and are as they were once it is accepted again', async () => {
    const device = await server.addDevice();
    const check = `rejected-${database}`;
    await posted(device, alert('CRITICAL', 'A', { check }));
    const { body } = await server.call('GET', `/api/management/v2/devauth/devices/${device.id}`, { token });
    const [set] = (body as { auth_sets: { id: string }[] }).auth_sets;
    const status = async (status: string) => {
      const path = `/api/management/v2/devauth/devices/${device.id}/auth/${set?.id}/status`;
      expect((await server.call('PUT', path, { token, body: { status } })).status).toBe(204);
    };
    await status('rejected');
    expect((await bad(`?check=${check}`)).total).toBe(0);
    expect((await get(`${base}/counts?check=${check}`)).body).toMatchObject({ open: 0, devices: 0 });
    // What was is told still.
    expect((await history(device.id)).total).toBe(1);
    await status('accepted');
    expect((await bad(`?check=${check}`)).body).toMatchObject([{ device_id: device.id, state: 'open' }]);
  });

  it('of all devices are one history, the last first, for everybody those that he may see', async () => {
    const [one, other] = [await server.addDevice(), await server.addDevice()];
    const check = `passed-${database}`;
    // Clocks that were never set, or are ahead, change nothing of the order in which they came.
    await posted(one, alert('CRITICAL', 'A', { check, timestamp: '2090-01-01T00:00:00Z' }));
    await posted(other, alert('WARNING', 'B', { check, timestamp: '1970-01-01T00:00:10Z' }));
    await posted(one, alert('OK', 'A', { check }));
    await server.call('PATCH', `/api/management/v1/patchbay/groups/passed-${database}/devices`, {
      token,
      body: [other.id],
    });
    const passed = async (query: string, as = token) => {
      const { body, status } = await get(`${base}/history?check=${check}${query}`, as);
      expect(status).toBe(200);
      return body.map(({ device_id, level }) => [device_id, level]);
    };
    expect(await passed('')).toEqual([
      [one.id, 'OK'],
      [other.id, 'WARNING'],
      [one.id, 'CRITICAL'],
    ]);
    expect(await passed('&per_page=1&page=2')).toEqual([[other.id, 'WARNING']]);
    expect(await passed('&level=CRITICAL,WARNING')).toHaveLength(2);
    expect(await passed(`&group=passed-${database}`)).toEqual([[other.id, 'WARNING']]);
    expect(await passed(`&device=${one.id}&issued_before=2020-01-01T00:00:00Z`)).toEqual([]);
    expect((await get(`${base}/history?issued_after=then`)).status).toBe(400);
    const grants = [{ permission: 'devices:read', groups: [`passed-${database}`] }];
    await server.call('POST', '/api/management/v1/patchbay/roles', {
      token,
      body: { name: `passed-${database}`, grants },
    });
    const confined = await server.addUser('passed@example.com', [`passed-${database}`]);
    expect(await passed('', confined)).toEqual([[other.id, 'WARNING']]);
  });

  it('go with the device (MON-24)', async () => {
    const device = await server.addDevice();
    await posted(device, alert('CRITICAL', 'A', { check: `gone-${database}` }));
    await server.call('POST', `${own}/config`, {
      token: device.token,
      body: [{ name: 'crond.sh', type: 'service', status: 'enabled' }],
    });
    const body = { device: device.id, minutes: 5, reason: 'x' };
    await server.call('POST', `${base}/silences`, { token, body });
    expect((await bad(`?check=gone-${database}`)).total).toBe(1);
    await server.call('DELETE', `/api/management/v2/devauth/devices/${device.id}`, { token });
    expect((await bad(`?check=gone-${database}`)).total).toBe(0);
    for (const path of ['alerts', 'alerts/latest', 'config'])
      expect((await get(`${reference}/devices/${device.id}/${path}`)).status).toBe(404);
    expect((await get(`${base}/silences?device=${device.id}`)).body).toEqual([]);
    expect(await found({ scope: 'monitor', attribute: 'alerts', type: '$exists', value: true })).not.toContain(
      device.id,
    );
  });

  it('come of the server itself when a device is away for too long, and end when it is back', async () => {
    const device = await server.addDevice();
    const connect = () =>
      new WebSocket(`${server.url.replace('http', 'ws')}/api/devices/v1/deviceconnect/connect`, {
        headers: { authorization: `Bearer ${device.token}` },
      });
    const until = async (count: number) => {
      for (;;) {
        const { total } = await bad(`?device=${device.id}&check=offline`);
        if (total === count) return;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    };
    const settings = (body: object) => server.call('PATCH', `${base}/settings`, { token, body });
    expect((await settings({ offline_seconds: 1, offline_grace_seconds: 0 })).status).toBe(200);
    const first = connect();
    await new Promise((resolve) => first.once('open', resolve));
    first.terminate();
    await until(1);
    // A start of the server neither forgets it nor says it again.
    await server.restart();
    await until(1);
    const second = connect();
    await new Promise((resolve) => second.once('open', resolve));
    await until(0);
    expect((await history(device.id)).body.map(({ level }) => level)).toEqual(['OK', 'CRITICAL']);
    // Who was connected when the server stopped is given time to come back, and is called offline after that.
    await settings({ offline_grace_seconds: 4 });
    second.terminate();
    const stopped = Date.now();
    await server.restart();
    await until(1);
    const [last] = (await history(device.id)).body;
    expect(Date.parse(last?.timestamp ?? '')).toBeGreaterThanOrEqual(stopped + 4000);
    const third = connect();
    await new Promise((resolve) => third.once('open', resolve));
    await until(0);
    await settings({ offline_seconds: 300 });
    expect((await history(device.id)).body.map(({ level }) => level)).toEqual(['OK', 'CRITICAL', 'OK', 'CRITICAL']);
  }, 60_000);
});
