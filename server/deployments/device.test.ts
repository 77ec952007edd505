import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploymentsV1 } from '#proto/http/paths';
import { abortForDevice, decommissionDevice } from './abort.ts';
import { type Answer, artifactFor, checkCounters, type Harness, locationId, openHarness } from './harness.testing.ts';
import { planOf } from '../store/plan.testing.ts';
import { onPostgres } from '../store/store.ts';
import { anyActive, idleQuery } from './next.ts';

let server: Harness;
beforeEach(async () => {
  server = await openHarness();
});
afterEach(async () => {
  await checkCounters(server);
  await server.close();
});

const deployments = `${deploymentsV1}/deployments`;
const own = '/api/devices/v1/deployments/device/deployments';

async function deploy(name: string, devices: string[], more: object = {}): Promise<string> {
  const made = await server.call('POST', deployments, { name, artifact_name: name, devices, ...more });
  expect([made.status, made.text]).toEqual([201, '']);
  return locationId(made);
}
const get = (device: string, { name = 'r0', type = 'qemu' } = {}): Promise<Answer> =>
  server.call('GET', `${own}/next?artifact_name=${name}&device_type=${type}`, undefined, device);
const v2 = (device: string, provides: object): Promise<Answer> =>
  server.call('POST', '/api/devices/v2/deployments/device/deployments/next', { device_provides: provides }, device);
const report = async (device: string, id: string, status: string, substate?: string): Promise<number> =>
  (await server.call('PUT', `${own}/${id}/status`, { status, ...(substate === undefined ? {} : { substate }) }, device))
    .status;
const part = async (id: string, device: string) =>
  (await server.call('GET', `${deployments}/${id}/devices`)).json.find((one: { id: string }) => one.id === device);
const state = async (id: string) => (await server.call('GET', `${deployments}/${id}`)).json;

describe('a poll (§1.2, §3.3)', () => {
  it('that finds nothing is one indexed read and no write', async () => {
    expect(await planOf(server.db, anyActive(server.db), { small: true })).toMatch(
      /^(SEARCH device_deployments USING INDEX device_deployments_poll \(device_id=\?\)$|Limit .*\n.*Index Scan using device_deployments_poll on device_deployments)/,
    );
    // What PostgreSQL has written could only be had of all its databases together.
    const changes = onPostgres(server.db)
      ? sql<{ v: number }>`select count(*) as v from device_deployments`
      : sql<{ v: number }>`select total_changes() as v`;
    const before = (await changes.execute(server.db)).rows;
    for (let at = 0; at < 10; at++) expect((await get('d1')).status).toBe(204);
    expect((await changes.execute(server.db)).rows).toEqual(before);
    expect(await idleQuery(server.db)('d1')).toBe(true);
  });

  it('needs a name and a type', async () => {
    for (const query of [
      '',
      '?artifact_name=a',
      '?device_type=b',
      '?artifact_name=&device_type=b',
      `?artifact_name=${'x'.repeat(4097)}&device_type=b`,
    ])
      expect([query, (await server.call('GET', `${own}/next${query}`, undefined, 'd1')).status]).toEqual([query, 400]);
    expect((await v2('d1', { device_type: 'qemu' })).status).toBe(400);
    expect((await v2('d1', { device_type: 'qemu', artifact_name: 5 })).status).toBe(400);
    expect((await server.call('POST', `${own}/next`, { artifact_name: 'a' }, 'd1')).status).toBe(400);
    expect((await server.call('POST', `${own}/next`, [], 'd1')).status).toBe(400);
  });

  it('is answered the same in all three ways, and again until the device is done', async () => {
    await server.upload(await artifactFor('r1'));
    const id = await deploy('r1', ['d1', 'd2', 'd3']);
    const body = { artifact_name: 'r0', device_type: 'qemu', artifact_provides: { 'rootfs-image.version': 'r0' } };
    const answers = [
      await get('d1'),
      await get('d1'),
      await server.call('POST', `${own}/next`, body, 'd2'),
      await server.call('POST', `${own}/next`, body, 'd2'),
      await v2('d3', { device_type: 'qemu', artifact_name: 'r0', other: 'x' }),
      await v2('d3', { other: 'x', artifact_name: 'r0', device_type: 'qemu' }),
    ];
    for (const { status, json } of answers) {
      expect([status, json.id]).toEqual([200, id]);
      expect(Object.keys(json.artifact.source).sort()).toEqual(['expire', 'method', 'uri']);
      const left = Date.parse(json.artifact.source.expire) - Date.now();
      expect(left).toBeGreaterThan(86_300_000);
    }
    expect(await state(id)).toMatchObject({ status: 'pending', device_count: 3 });
    const sizes = (await server.call('GET', `${deployments}/${id}/devices`)).json.map(
      (one: { image: { size: number } }) => one.image.size,
    );
    expect((await state(id)).statistics.total_size).toBe(sizes.reduce((a: number, b: number) => a + b, 0));
  });

  it('makes the record of a device on first sight, with the time of the deployment (§3.2)', async () => {
    await server.upload(await artifactFor('r1'));
    const id = await deploy('r1', ['d1', 'd2']);
    expect((await server.call('GET', `${deployments}/${id}/devices`)).json).toEqual([]);
    expect(await state(id)).toMatchObject({
      device_count: 0,
      max_devices: 2,
      statistics: { status: { pending: 2 }, total_size: 0 },
    });
    await get('d1');
    const { created, statistics } = await state(id);
    expect(await part(id, 'd1')).toMatchObject({ status: 'pending', created, log: false, image: { name: 'r1' } });
    expect(statistics.total_size).toBe((await part(id, 'd1')).image.size);
    expect(await part(id, 'd2')).toBeUndefined();
    expect((await server.call('GET', `${deployments}/${id}/device_list`)).json).toEqual(['d1', 'd2']);
  });

  it('serves the oldest deployment first, then the next', async () => {
    for (const name of ['r1', 'r2', 'r3']) await server.upload(await artifactFor(name));
    const ids = [await deploy('r1', ['d1']), await deploy('r2', ['d1', 'd2']), await deploy('r3', ['d1'])];
    for (const id of ids) {
      expect((await get('d1')).json.id).toBe(id);
      expect(await report('d1', id, 'failure')).toBe(204);
    }
    expect((await get('d1')).status).toBe(204);
  });

  it('asked otherwise than at first is a conflict, and the part has failed', async () => {
    await server.upload(await artifactFor('r1'));
    const id = await deploy('r1', ['d1', 'd2']);
    await get('d1');
    const again = await get('d1', { type: 'pi' });
    expect([again.status, again.json.error]).toEqual([409, 'Device provided conflicting request data']);
    expect(await part(id, 'd1')).toMatchObject({ status: 'failure' });
    expect((await get('d1')).status).toBe(204);
    await v2('d2', { device_type: 'qemu', artifact_name: 'r0', a: '1' });
    expect((await v2('d2', { device_type: 'qemu', artifact_name: 'r0', a: '2' })).status).toBe(409);
    expect(await state(id)).toMatchObject({ status: 'finished' });
  });

  it('of a device that has it already ends there, unless it is forced', async () => {
    await server.upload(await artifactFor('r1'));
    const id = await deploy('r1', ['d1']);
    expect((await get('d1', { name: 'r1' })).status).toBe(204);
    expect(await part(id, 'd1')).toMatchObject({ status: 'already-installed' });
    expect(await state(id)).toMatchObject({ status: 'finished', device_count: 1 });
    const forced = await deploy('r1', ['d1'], { force_installation: true });
    expect((await get('d1', { name: 'r1' })).json.id).toBe(forced);
    expect(await state(forced)).toMatchObject({ force_installation: true });
  });

  it('of a device that no artifact fits ends as noartifact, and says why (issue 2, bad input)', async () => {
    await server.upload(await artifactFor('r1'));
    const id = await deploy('r1', ['d1', 'd2']);
    expect((await get('d1', { type: 'pi' })).status).toBe(204);
    expect(await part(id, 'd1')).toMatchObject({
      status: 'noartifact',
      substate: 'release r1 is for qemu, but the device is a pi',
      finished: expect.any(String),
    });
    expect(await state(id)).toMatchObject({
      status: 'inprogress',
      statistics: { status: { noartifact: 1, pending: 1 } },
    });
  });

  it('takes the smallest artifact whose depends are provided', async () => {
    const payload = (depends: Record<string, string>) => ({ payload: { type: 'x', provides: {}, depends, files: [] } });
    await server.upload(await artifactFor('r1', { filler: 9000 }));
    const delta = locationId(await server.upload(await artifactFor('r1', payload({ 'rootfs-image.checksum': 'aa' }))));
    await deploy('r1', ['d1', 'd2']);
    const base = { device_type: 'qemu', artifact_name: 'r0' };
    expect((await v2('d1', { ...base, 'rootfs-image.checksum': 'aa' })).json.artifact.id).toBe(delta);
    expect((await v2('d2', { ...base, 'rootfs-image.checksum': 'bb' })).json.artifact.id).not.toBe(delta);
  });

  it('finds an artifact that was uploaded after the deployment was made', async () => {
    await server.upload(await artifactFor('r1'));
    const id = await deploy('r1', ['d1', 'd2']);
    const late = locationId(await server.upload(await artifactFor('r1', { types: ['pi'] })));
    expect((await get('d1', { type: 'pi' })).json.artifact.id).toBe(late);
    expect((await state(id)).artifacts).toContain(late);
  });

  it('says 503 when the artifact has gone from the storage, and the device may ask again', async () => {
    const artifact = locationId(await server.upload(await artifactFor('r1')));
    await deploy('r1', ['d1']);
    await server.blobs.remove(artifact);
    expect((await get('d1')).status).toBe(503);
  });
});

describe('a status report (§1.3)', () => {
  let id = '';
  beforeEach(async () => {
    await server.upload(await artifactFor('r1'));
    id = await deploy('r1', ['d1', 'd2']);
    await get('d1');
  });

  it('moves the counters, and keeps the substate until there is a new one', async () => {
    expect(await report('d1', id, 'downloading', 'at 5 %')).toBe(204);
    expect(await part(id, 'd1')).toMatchObject({
      status: 'downloading',
      substate: 'at 5 %',
      started: expect.any(String),
    });
    expect(await report('d1', id, 'downloading', 'at 6 %')).toBe(204);
    expect(await report('d1', id, 'pause_before_installing')).toBe(204);
    expect(await part(id, 'd1')).toMatchObject({ status: 'pause_before_installing', substate: 'at 5 %' });
    expect((await part(id, 'd1')).finished).toBeUndefined();
    expect((await state(id)).statistics.status).toMatchObject({
      pending: 1,
      pause_before_installing: 1,
      downloading: 0,
    });
    expect(await report('d1', id, 'success')).toBe(204);
    expect((await part(id, 'd1')).finished).toBeDefined();
    // No other transition is checked.
    expect(await report('d1', id, 'installing')).toBe(204);
    expect(await report('d1', id, 'failure')).toBe(204);
  });

  it('is refused when a device may not send it, or is not in the deployment', async () => {
    for (const status of ['pending', 'noartifact', 'aborted', 'decommissioned', 'nonsense', ''])
      expect([status, await report('d1', id, status)]).toEqual([status, 400]);
    expect(await report('d1', id, 'downloading', 'x'.repeat(201))).toBe(400);
    expect(await report('d2', id, 'downloading')).toBe(404);
    expect(await report('d9', id, 'downloading')).toBe(404);
    expect(await report('d1', 'none', 'downloading')).toBe(404);
    expect((await server.call('PUT', `${own}/${id}/status`, 'x', 'd1')).status).toBe(400);
  });

  it('is how a device learns that it was aborted', async () => {
    expect((await server.call('PUT', `${deployments}/${id}/status`, { status: 'aborted' })).status).toBe(204);
    const answer = await server.call('PUT', `${own}/${id}/status`, { status: 'installing' }, 'd1');
    expect([answer.status, answer.json.error]).toEqual([409, 'Deployment aborted']);
    expect((await get('d1')).status).toBe(204);
    expect((await get('d2')).status).toBe(204);
    // Who never asked has left the counters.
    expect(await state(id)).toMatchObject({ status: 'finished', statistics: { status: { aborted: 1, pending: 0 } } });
    expect((await server.call('PUT', `${deployments}/${id}/status`, { status: 'aborted' })).status).toBe(422);
    expect((await server.call('PUT', `${deployments}/${id}/status`, { status: 'finished' })).status).toBe(400);
  });

  it('of a decommissioned device is refused', async () => {
    await decommissionDevice(server.deps, 'd1');
    const answer = await server.call('PUT', `${own}/${id}/status`, { status: 'installing' }, 'd1');
    expect([answer.status, answer.json.error]).toEqual([409, 'Device decommissioned']);
    await decommissionDevice(server.deps, 'd2');
    expect(await state(id)).toMatchObject({ status: 'finished', statistics: { status: { decommissioned: 2 } } });
  });

  it('is told to those who watch', async () => {
    await report('d1', id, 'downloading');
    expect(server.told.at(-1)).toEqual(['deployment', { id, status: 'inprogress', device: 'd1' }]);
    await report('d1', id, 'failure');
    await get('d2', { type: 'pi' });
    expect(server.told.at(-1)).toEqual(['deployment', { id, status: 'finished', device: 'd2' }]);
  });
});

describe("a device's log (§1.4)", () => {
  it('is stored, replaced, and read as text', async () => {
    await server.upload(await artifactFor('r1'));
    const id = await deploy('r1', ['d1']);
    const send = async (body: unknown, device = 'd1') =>
      (await server.call('PUT', `${own}/${id}/log`, body, device)).status;
    const line = { timestamp: '2026-01-02T03:04:05.5Z', level: 'error', message: 'it broke' };
    expect(await send({ messages: [line] })).toBe(404);
    await get('d1');
    const read = () => server.call('GET', `${deployments}/${id}/devices/d1/log`);
    expect((await read()).status).toBe(404);
    server.told.length = 0;
    expect(await send({ messages: [{ ...line, message: 'first' }] })).toBe(204);
    // A page that shows the failure already has to learn that there is a log now.
    expect(server.told).toEqual([['deployment', { id, status: 'pending', device: 'd1' }]]);
    expect(await send({ messages: [line, { ...line, level: 'info' }] })).toBe(204);
    const { status, text, headers } = await read();
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/plain/);
    expect(text).toBe(
      '2026-01-02 03:04:05.5 +0000 UTC error: it broke\n2026-01-02 03:04:05.5 +0000 UTC info: it broke\n',
    );
    expect(await part(id, 'd1')).toMatchObject({ log: true });

    for (const bad of [
      {},
      { messages: [] },
      { messages: [{ ...line, message: '' }] },
      { messages: [{ ...line, level: '' }] },
      { messages: [{ ...line, timestamp: 'now' }] },
      { messages: [{}] },
      [],
      null,
    ])
      expect([bad, await send(bad)]).toEqual([bad, 400]);
    expect(await send({ messages: [line] }, 'd2')).toBe(404);
    expect(await send({ messages: [{ ...line, message: 'x'.repeat(1_100_000) }] })).toBe(413);
  });
});

describe("a device's history (§2.2, §3.5)", () => {
  it('is listed newest first, aborted as a whole, and forgotten', async () => {
    for (const name of ['r1', 'r2', 'r3']) await server.upload(await artifactFor(name));
    const first = await deploy('r1', ['d1', 'd2']);
    await get('d1');
    await report('d1', first, 'success');
    const second = await deploy('r2', ['d1']);
    await get('d1', { name: 'r1' });
    const third = await deploy('r3', ['d1', 'd2']);
    const path = `${deployments}/devices/d1`;
    const listed = async (query = '') =>
      (await server.call('GET', `${path}${query}`)).json.map(
        (entry: { deployment: { id: string }; device: { status: string } }) => [
          entry.deployment.id,
          entry.device.status,
        ],
      );
    expect(await listed()).toEqual([
      [second, 'pending'],
      [first, 'success'],
    ]);
    expect((await server.call('DELETE', path)).status).toBe(204);
    expect(await listed()).toEqual([
      [third, 'aborted'],
      [second, 'aborted'],
      [first, 'success'],
    ]);
    expect(await listed('?status=success')).toEqual([[first, 'success']]);
    expect(await listed('?status=active')).toEqual([]);
    expect(await listed('?per_page=1&page=2')).toEqual([[second, 'aborted']]);
    expect((await server.call('GET', `${path}?per_page=21`)).status).toBe(400);
    expect((await server.call('GET', `${path}?status=nonsense`)).status).toBe(400);
    expect((await get('d1', { name: 'r1' })).status).toBe(204);
    expect(await state(second)).toMatchObject({ status: 'finished' });
    expect(await state(third)).toMatchObject({ status: 'inprogress' });

    expect((await server.call('DELETE', `${path}/history`)).status).toBe(204);
    expect(await listed()).toEqual([]);
    await checkCounters(server);
    // Those still active take it in again, the oldest first; what is finished stays so.
    expect((await get('d1', { name: 'r0' })).json.id).toBe(first);
    await report('d1', first, 'failure');
    expect((await get('d1', { name: 'r0' })).json.id).toBe(third);
  });

  it('is ended by the rest of the server too', async () => {
    await server.upload(await artifactFor('r1'));
    const id = await deploy('r1', ['d1']);
    await abortForDevice(server.deps, 'd1');
    expect(await state(id)).toMatchObject({
      status: 'finished',
      device_count: 1,
      statistics: { status: { aborted: 1 } },
    });
    await abortForDevice(server.deps, 'd1');
    await decommissionDevice(server.deps, 'unknown');
  });
});

describe('whatever devices and people do at once', () => {
  it('the counters add up', async () => {
    for (const name of ['r1', 'r2']) await server.upload(await artifactFor(name));
    const devices = Array.from({ length: 8 }, (_, at) => `d${at}`);
    const ids = [await deploy('r1', devices), await deploy('r2', devices), await deploy('r2', devices.slice(0, 3))];
    // A fixed course of "random" numbers: a failure can be repeated.
    let seed = 42;
    const pick = <T>(list: readonly T[]): T => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return list[(seed >> 8) % list.length] as T;
    };
    const statuses = ['downloading', 'installing', 'success', 'failure', 'already-installed', 'rebooting'];
    const acts: (() => Promise<unknown>)[] = [
      () => get(pick(devices)),
      () => get(pick(devices)),
      () => get(pick(devices), { type: pick(['qemu', 'pi']) }),
      () => report(pick(devices), pick(ids), pick(statuses)),
      () => report(pick(devices), pick(ids), pick(statuses)),
      () => server.call('DELETE', `${deployments}/devices/${pick(devices)}/history`),
    ];
    for (let round = 0; round < 30; round++) {
      await Promise.all(Array.from({ length: 8 }, () => pick(acts)()));
      if (round === 20) await server.call('PUT', `${deployments}/${ids[1]}/status`, { status: 'aborted' });
      if (round === 25) await Promise.all([abortForDevice(server.deps, 'd1'), decommissionDevice(server.deps, 'd1')]);
      await checkCounters(server);
    }
  });
});
