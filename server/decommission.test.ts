import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { artifactFor, formOf } from './deployments/harness.testing.ts';
import { stage, type Stage } from './stage.ts';

let server: Stage;
let token = '';
beforeAll(async () => {
  server = await stage();
  token = await server.login();
});
afterAll(() => server.close());

const management = '/api/management';
const ask = (method: string, path: string, body?: unknown) =>
  server.call(method, management + path, { token, ...(body === undefined ? {} : { body }) });

it('TRB-7 a device that is decommissioned is gone everywhere, at once, and comes back as a new one (server-api.md §3.6, §3.9)', async () => {
  const identity = { mac: '02:00:00:00:36:01' };
  const device = await server.addDevice(identity);
  const response = await fetch(`${server.url}${management}/v1/deployments/artifacts`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: formOf(await artifactFor('r1')),
  });
  expect(response.status).toBe(201);
  const made = await ask('POST', '/v1/deployments/deployments', {
    name: 'd',
    artifact_name: 'r1',
    devices: [device.id],
  });
  const deployment = made.headers.get('location')?.split('/').at(-1);
  const poll = '/api/devices/v1/deployments/device/deployments/next?artifact_name=r0&device_type=qemu';
  expect((await server.call('GET', poll, { token: device.token })).status).toBe(200);
  await ask('PUT', `/v1/inventory/devices/${device.id}/tags`, [{ name: 'name', value: 'pump' }]);
  await ask('PUT', `/v1/inventory/devices/${device.id}/group`, { group: 'yard' });
  await ask('PUT', `/v1/deviceconfig/configurations/device/${device.id}`, { a: 'b' });
  const socket = new WebSocket(`${server.url.replace('http', 'ws')}/api/devices/v1/deviceconnect/connect`, {
    headers: { authorization: `Bearer ${device.token}` },
  });
  await once(socket, 'open');

  const presence = `/v1/deviceconnect/devices/${device.id}`;
  while (((await ask('GET', presence)).body as { status: string }).status !== 'connected');
  const closed = once(socket, 'close');
  expect((await ask('DELETE', `/v2/devauth/devices/${device.id}`)).status).toBe(204);
  await closed;
  expect((await server.call('GET', poll, { token: device.token })).status).toBe(401);
  for (const path of [
    `/v2/devauth/devices/${device.id}`,
    `/v1/inventory/devices/${device.id}`,
    presence,
    `/v1/deviceconfig/configurations/device/${device.id}`,
    '/v1/inventory/groups/yard/devices',
  ])
    expect((await ask('GET', path)).status, path).toBe(404);
  expect((await ask('GET', `/v1/deployments/deployments/${deployment}/statistics`)).body).toMatchObject({
    decommissioned: 1,
    pending: 0,
  });
  expect((await ask('GET', `/v1/deployments/deployments/${deployment}`)).body).toMatchObject({ status: 'finished' });
  expect((await ask('DELETE', `/v2/devauth/devices/${device.id}`)).status).toBe(404);

  const again = await server.addDevice(identity);
  expect(again.id).not.toBe(device.id);
});
