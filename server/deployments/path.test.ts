import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploymentsV1 } from '#proto/http/paths';
import { answerOf, artifactFor, type Harness, locationId, openHarness } from './harness.testing.ts';

let server: Harness;
beforeEach(async () => {
  server = await openHarness();
});
afterEach(() => server.close());

const device = '/api/devices/v1/deployments/device/deployments';

describe('a release on its way (issue 2, point 2)', () => {
  it('is uploaded, deployed, offered, downloaded, reported, and finished', async () => {
    const artifact = await artifactFor('release-1');
    const uploaded = await server.upload(artifact, { description: 'first' });
    expect([uploaded.status, uploaded.text]).toEqual([201, '']);
    const artifactId = locationId(uploaded);

    const asked = { name: 'to one', artifact_name: 'release-1', devices: ['d1'] };
    const made = await server.call('POST', `${deploymentsV1}/deployments`, asked);
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toMatch(/^\/api\/management\/v1\/deployments\/deployments\/[0-9a-f-]{36}$/);
    const id = locationId(made);
    const path = `${deploymentsV1}/deployments/${id}`;
    expect((await server.call('GET', path)).json).toMatchObject({ status: 'pending', device_count: 0, max_devices: 1 });

    const next = await server.call(
      'POST',
      '/api/devices/v2/deployments/device/deployments/next',
      { device_provides: { device_type: 'qemu', artifact_name: 'release-0' } },
      'd1',
    );
    expect(next.status).toBe(200);
    expect(next.json).toMatchObject({
      id,
      artifact: { id: artifactId, artifact_name: 'release-1', device_types_compatible: ['qemu'] },
    });
    const { uri, method } = next.json.artifact.source;
    expect(method).toBe('GET');
    const download = await fetch(uri);
    expect(download.status).toBe(200);
    expect(Buffer.from(await download.arrayBuffer()).equals(artifact)).toBe(true);

    for (const status of ['downloading', 'installing', 'rebooting', 'success']) {
      expect((await server.call('PUT', `${device}/${id}/status`, { status }, 'd1')).status).toBe(204);
      const { json } = await server.call('GET', path);
      expect(json.statistics.status[status]).toBe(1);
      expect(json.status).toBe(status === 'success' ? 'finished' : 'inprogress');
    }
    const idle = await server.call('GET', `${device}/next?artifact_name=release-1&device_type=qemu`, undefined, 'd1');
    expect([idle.status, idle.text]).toEqual([204, '']);
    expect(server.told.filter(([event]) => event === 'deployment').at(-1)).toEqual([
      'deployment',
      { id, status: 'finished', device: 'd1' },
    ]);
  });

  it('gives nothing of it to a user without the permission, nor to one without a token', async () => {
    const read = (token?: string) =>
      fetch(`${server.url}${deploymentsV1}/deployments`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', ...(token ? { Authorization: `Bearer ${token}` } : {}) },
        body: '{}',
      }).then(answerOf);
    expect((await read()).status).toBe(401);
    expect((await read('reader')).status).toBe(403);
    expect((await read('device.d1')).status).toBe(401);
  });
});
