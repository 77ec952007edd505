// The settings of devices over the API: the server half of the add-on configure in the real server.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openArtifact } from '#artifact';
import { stage, type Stage } from '../server/stage.ts';

let server: Stage;
let token = '';
beforeAll(async () => {
  server = await stage();
  token = await server.login();
});
afterAll(() => server.close());

const own = '/api/devices/v1/deviceconfig/configuration';
const ofDevice = (id: string): string => `/api/management/v1/deviceconfig/configurations/device/${id}`;

describe('the settings of a device (server-api.md §1.7, §2.7, §3.8)', () => {
  it('are kept, sent as an update when asked for, and reported back (CFG-4, CFG-6, CFG-16)', async () => {
    const device = await server.addDevice();
    const path = ofDevice(device.id);
    expect(await server.call('GET', path, { token })).toMatchObject({
      status: 200,
      body: { id: device.id, configured: {}, reported: {} },
    });
    const body = { timezone: 'Europe/Berlin', ssid: 'yard' };
    expect((await server.call('PUT', path, { token, body })).status).toBe(204);
    expect((await server.call('GET', own, { token: device.token })).body).toEqual(body);

    const deployed = await server.call('POST', `${path}/deploy`, { token, body: {} });
    expect(deployed.status).toBe(200);
    const { deployment_id: deployment } = deployed.body as { deployment_id: string };
    const next = await server.call(
      'GET',
      '/api/devices/v1/deployments/device/deployments/next?artifact_name=r&device_type=qemu',
      { token: device.token },
    );
    const found = next.body as { id: string; artifact: { source: { uri: string } } };
    expect(found.id).toBe(deployment);
    const bytes = new Uint8Array(await (await fetch(found.artifact.source.uri)).arrayBuffer());
    const artifact = await openArtifact(new Blob([bytes]).stream());
    expect(artifact.header.payload).toMatchObject({ type: 'mender-configure', metaData: body });

    expect((await server.call('PUT', own, { token: device.token, body })).status).toBe(204);
    expect((await server.call('GET', path, { token })).body).toMatchObject({
      id: device.id,
      configured: body,
      reported: body,
      deployment_id: deployment,
      updated_ts: expect.stringMatching(/^\d{4}-.*Z$/),
      reported_ts: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    const audit = await server.call('GET', '/api/management/v1/patchbay/audit?per_page=2', { token });
    expect(audit.body).toMatchObject([
      { action: 'deploy_configuration', object: { id: device.id }, details: { deployment } },
      { action: 'set_configuration', details: { set: ['timezone', 'ssid'], removed: [], revision: 1 } },
    ]);
    expect(audit.text).not.toContain('yard');
  });

  it('are replaced as a whole, and what was reported stays as it was reported (CFG-1)', async () => {
    const device = await server.addDevice();
    const path = ofDevice(device.id);
    expect((await server.call('PUT', own, { token: device.token, body: { a: 'reported' } })).status).toBe(204);
    const { reported_ts } = (await server.call('GET', path, { token })).body as { reported_ts: string };
    for (const body of [{ a: '1', b: '2' }, { b: '3' }, {}]) {
      expect((await server.call('PUT', path, { token, body })).status).toBe(204);
      expect((await server.call('GET', path, { token })).body).toMatchObject({
        reported: { a: 'reported' },
        reported_ts,
      });
      // Whole, not only among others.
      expect(((await server.call('GET', path, { token })).body as { configured: object }).configured).toEqual(body);
    }
  });

  it('go with the device', async () => {
    const device = await server.addDevice();
    await server.call('PUT', ofDevice(device.id), { token, body: { a: 'b' } });
    expect((await server.call('DELETE', `/api/management/v2/devauth/devices/${device.id}`, { token })).status).toBe(
      204,
    );
    expect((await server.call('GET', ofDevice(device.id), { token })).status).toBe(404);
    expect((await server.call('GET', own, { token: device.token })).status).toBe(401);
  });

  it('have limits, which are said with their number, and are texts (§5, CFG-2, CFG-3)', async () => {
    const device = await server.addDevice();
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}`, 'v']));
    const cases: [unknown, number, RegExp][] = [
      [many(100), 204, /^$/],
      [many(101), 400, /100/],
      [{ ['k'.repeat(4096)]: 'v'.repeat(4096) }, 204, /^$/],
      [{ ['k'.repeat(4097)]: 'v' }, 400, /4096/],
      [{ k: 'v'.repeat(4097) }, 400, /4096/],
      [{ k: 1 }, 400, /string/],
      [{ k: null }, 400, /string/],
      [{ k: true }, 400, /string/],
      [{ k: { a: 'b' } }, 400, /string/],
      [{ '': 'v' }, 400, /character/],
      [[], 400, /object/],
    ];
    for (const [body, status, text] of cases)
      for (const [path, as] of [
        [ofDevice(device.id), token],
        [own, device.token],
      ] as const) {
        const answer = await server.call('PUT', path, { token: as, body });
        expect([answer.status, answer.text], JSON.stringify(body).slice(0, 40)).toEqual([
          status,
          expect.stringMatching(text),
        ]);
        expect(answer.text.length).toBeLessThan(500);
      }
  });

  it('a key called __proto__ is a key like any other', async () => {
    const device = await server.addDevice();
    const raw = '{"__proto__":"x","constructor":"y"}';
    const headers = { 'content-type': 'application/json' };
    expect((await server.call('PUT', ofDevice(device.id), { token, raw, headers })).status).toBe(204);
    expect((await server.call('GET', own, { token: device.token })).text).toBe(raw);
  });

  it('are those of known devices, for people who may see and set them (CFG-5, CFG-19)', async () => {
    const { id } = await server.addDevice();
    const nowhere = ofDevice('00000000-0000-4000-8000-000000000000');
    expect((await server.call('GET', nowhere, { token })).status).toBe(404);
    expect((await server.call('PUT', nowhere, { token, body: {} })).status).toBe(404);
    expect((await server.call('POST', `${nowhere}/deploy`, { token, body: {} })).status).toBe(404);
    const map = { update_control_map: { id: 'x' } };
    expect((await server.call('POST', `${ofDevice(id)}/deploy`, { token, body: map })).status).toBe(403);
    // They may hold secrets: whoever may not set them does not see them either.
    const reader = await server.addUser('reads@example.com', ['read-only']);
    expect((await server.call('GET', ofDevice(id), { token: reader })).status).toBe(403);
  });
});
