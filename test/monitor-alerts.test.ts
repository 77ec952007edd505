// Alerts as devices send them and as people read them (add-ons.md §6, MON-17, 20, 21, 24), on both databases.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { availableDatabases, databaseFor, stage, type Stage } from '../server/stage.ts';

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

describe.each(await availableDatabases())('alerts on %s', (database) => {
  let server: Stage;
  let token = '';
  beforeAll(async () => {
    server = await stage({ database: await databaseFor(database) });
    token = await server.login();
  });
  afterAll(() => server.close());

  const get = async <T>(path: string, as = token): Promise<{ body: T; total: number; status: number; link: string }> => {
    const { body, headers, status } = await server.call('GET', path, { token: as });
    const total = Number(headers.get('x-total-count') ?? NaN);
    return { body: body as T, total, status, link: headers.get('link') ?? '' };
  };
  const post = (device: { token: string }, alerts: unknown) =>
    server.call('POST', `${own}/alert`, { token: device.token, body: alerts });
  async function posted(device: { token: string }, ...alerts: unknown[]): Promise<void> {
    const { status, text } = await post(device, alerts);
    expect([status, text]).toEqual([204, '']);
  }
  const history = (id: string, query = '') => get<Line[]>(`${reference}/devices/${id}/alerts${query}`);
  const latest = (id: string, query = '') => get<Line[]>(`${reference}/devices/${id}/alerts/latest${query}`);
  const bad = (query = '') => get<Record<string, unknown>[]>(`${base}/alerts${query}`);
  async function attributes(id: string): Promise<Record<string, unknown>> {
    const { body } = await get<{ attributes: { scope: string; name: string; value: unknown }[] }>(
      `/api/management/v1/inventory/devices/${id}`,
    );
    const found = body.attributes.filter(({ scope }) => scope === 'monitor');
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
    await posted(device, alert('CRITICAL', 'Service nginx not running'), alert('CRITICAL', 'Service crond not running'));
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

  it('are listed for whoever is on call', async () => {
    const device = await server.addDevice();
    await posted(device, alert('CRITICAL', 'Disk full', { check: 'disk_root', id: 'abcdefgh-1' }));
    const { body, total } = await bad(`?device=${device.id}`);
    expect(total).toBe(1);
    expect(body[0]).toMatchObject({ device_id: device.id, check: 'disk_root', level: 'CRITICAL', state: 'open' });
  });
});
