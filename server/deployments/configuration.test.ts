import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openArtifact } from '#artifact';
import { deploymentsV1 } from '#proto/http/paths';
import { deployConfiguration } from './configuration.ts';
import { checkCounters, type Harness, openHarness } from './harness.testing.ts';

let server: Harness;
beforeEach(async () => {
  server = await openHarness();
});
afterEach(async () => {
  await checkCounters(server);
  await server.close();
});

const own = '/api/devices/v1/deployments/device/deployments';
const next = (device: string, type = 'q e/mu') =>
  server.call('GET', `${own}/next?artifact_name=r1&device_type=${encodeURIComponent(type)}`, undefined, device);

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

describe('a configuration on its way (server-api.md §3.8)', () => {
  it('is offered at once, downloaded as an artifact of its own, and reported', async () => {
    expect((await next('d1')).status).toBe(204);
    const id = await deployConfiguration(server.deps, 'd1', { timezone: 'Europe/Berlin', key: 'x' });
    expect(server.told).toEqual([['deployment', { id, status: 'pending' }]]);
    const { status, json } = await next('d1');
    expect([status, json.id, json.artifact.id]).toEqual([200, id, `${id}d1`]);
    expect(json.artifact).toMatchObject({ artifact_name: `configuration-${id}`, device_types_compatible: ['q e/mu'] });
    expect((await next('d1')).json.id).toBe(id);

    const response = await fetch(json.artifact.source.uri);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/vnd.mender-artifact']);
    const bytes = Buffer.from(await response.arrayBuffer());
    const { header } = await openArtifact(once(bytes));
    expect(header).toMatchObject({
      name: `configuration-${id}`,
      depends: { device_type: ['q e/mu'] },
      payload: {
        type: 'mender-configure',
        provides: { 'data-partition.mender-configure.version': `configuration-${id}` },
        clears: ['data-partition.mender-configure.*'],
        metaData: { timezone: 'Europe/Berlin', key: 'x' },
        files: [],
      },
    });
    const rest = await fetch(json.artifact.source.uri, { headers: { Range: 'bytes=1000-' } });
    expect([rest.status, Buffer.from(await rest.arrayBuffer()).equals(bytes.subarray(1000))]).toEqual([206, true]);

    for (const one of ['downloading', 'success'])
      expect((await server.call('PUT', `${own}/${id}/status`, { status: one }, 'd1')).status).toBe(204);
    const shown = (await server.call('GET', `${deploymentsV1}/deployments/${id}`)).json;
    expect(shown).toMatchObject({ type: 'configuration', status: 'finished', artifacts: [] });
    expect(JSON.parse(Buffer.from(shown.configuration, 'base64').toString())).toEqual({
      timezone: 'Eur...<omitted>',
      key: 'x...<omitted>',
    });
    const listed = await server.call('GET', `${deploymentsV1}/deployments?type=configuration`);
    expect(listed.json.map((one: { id: string }) => one.id)).toEqual([id]);
  });

  it('is for one device, and its link for that device and deployment only', async () => {
    const id = await deployConfiguration(server.deps, 'd1', { a: 'b' });
    expect((await next('d2')).status).toBe(204);
    const uri = new URL((await next('d1')).json.artifact.source.uri);
    expect([...uri.searchParams.keys()]).toEqual(['x-men-expire', 'x-men-signature']);
    const said = async (change: (url: URL) => void) => {
      const url = new URL(uri);
      change(url);
      return (await fetch(url)).status;
    };
    expect(await said((url) => (url.pathname = url.pathname.replace(/d1$/, 'd2')))).toBe(403);
    expect(await said((url) => url.searchParams.set('x-men-expire', '2099-01-01T00:00:00.000Z'))).toBe(403);
    expect(await said((url) => url.searchParams.delete('x-men-signature'))).toBe(400);
    await server.db.deleteFrom('deployments').where('id', '=', id).execute();
    expect(await said(() => undefined)).toBe(404);
  });
});
