import { createHmac } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { networksOf } from '../http/proxies.ts';
import { stage, type Stage } from '../stage.ts';

const base = '/api/management/v1/iot-manager';
interface Told {
  readonly headers: Record<string, unknown>;
  readonly body: string;
}
interface Event {
  readonly id: string;
  readonly type: string;
  readonly data: { readonly id: string; readonly status?: string };
}

let server: Stage;
let token = '';
let target: Server;
let url = '';
let told: Told[] = [];
let status = 200;
let heard: () => void = () => undefined;
beforeAll(async () => {
  target = createServer((req, res) => {
    void (async () => {
      told.push({ headers: req.headers, body: await text(req) });
      res.writeHead(status).end();
      heard();
    })();
  });
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(target.address() as AddressInfo).port}/hook`;
  server = await stage({ webhookNetworks: networksOf('x', '127.0.0.1') });
  token = await server.login();
});
afterAll(async () => {
  await server.close();
  target.close();
});
afterEach(async () => {
  const { body } = await call('GET', '/integrations');
  for (const { id } of body as { id: string }[]) await call('DELETE', `/integrations/${id}`);
  told = [];
  status = 200;
});

const call = (method: string, path: string, body?: unknown) =>
  server.call(method, base + path, { token, ...(body === undefined ? {} : { body }) });
const webhook = (http: Record<string, unknown>) => ({ provider: 'webhook', credentials: { type: 'http', http } });
async function created(http: Record<string, unknown> = { url }): Promise<string> {
  const answer = await call('POST', '/integrations', webhook(http));
  expect([answer.status, answer.text]).toEqual([201, '']);
  return answer.headers.get('location')!.split('/').at(-1)!;
}
/** As many deliveries as that have come. */
async function deliveries(count: number): Promise<Event[]> {
  while (told.length < count) await new Promise<void>((resolve) => (heard = resolve));
  return told.map(({ body }) => JSON.parse(body) as Event);
}
/** The events of a device with how they went, once all have been tried. */
async function eventsOf(device: string): Promise<Record<string, unknown>[]> {
  for (;;) {
    const { body } = await call('GET', '/events?per_page=500');
    const events = (body as { data: { id: string }; delivery_statuses: unknown[] }[]).filter(
      (e) => e.data.id === device,
    );
    if (events.every((event) => event.delivery_statuses.length > 0)) return events;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('a webhook (server-api.md §2.9, §4.11)', () => {
  it('is told that a device came, changed and went, with a signature', async () => {
    const secret = 'c0ffee00';
    const id = await created({ url, secret });
    const device = await server.addDevice();
    await server.call('DELETE', `/api/management/v2/devauth/devices/${device.id}`, { token });
    const events = await deliveries(3);
    expect(events.map(({ type, data }) => [type, data.id, data.status])).toEqual([
      ['device-provisioned', device.id, 'accepted'],
      ['device-status-changed', device.id, 'accepted'],
      ['device-decommissioned', device.id, undefined],
    ]);
    expect(events[0]!.data).toMatchObject({
      auth_sets: [{ id: expect.any(String), status: 'accepted', pubkey: expect.stringContaining('PUBLIC KEY') }],
      created_ts: expect.any(String),
    });
    for (const { headers, body } of told)
      expect(headers).toMatchObject({
        'content-type': 'application/json',
        'x-men-algorithm': 'MEN-HMAC-SHA256-Payload',
        'x-men-signature': createHmac('sha256', Buffer.from(secret, 'hex')).update(body).digest('hex'),
      });
    const kept = await eventsOf(device.id);
    // Newest first, and as they were told.
    expect(kept.map((event) => event['id'])).toEqual(events.map((event) => event.id).reverse());
    expect(kept[0]).toMatchObject({ delivery_statuses: [{ integration_id: id, success: true, status_code: 200 }] });
  });

  it('without a secret gets no signature, and a device that comes back is not new', async () => {
    await created();
    const device = await server.addDevice();
    const path = `/api/management/v2/devauth/devices/${device.id}`;
    const { body } = await server.call('GET', path, { token });
    const set = (body as { auth_sets: { id: string }[] }).auth_sets[0]!.id;
    for (const status of ['rejected', 'accepted'])
      await server.call('PUT', `${path}/auth/${set}/status`, { token, body: { status } });
    const events = await deliveries(4);
    expect(events.map(({ type, data }) => `${type} ${data.status}`)).toEqual([
      'device-provisioned accepted',
      'device-status-changed accepted',
      'device-status-changed rejected',
      'device-status-changed accepted',
    ]);
    expect(told[0]!.headers).not.toHaveProperty('x-men-signature');
  });

  it('that fails is on record, with what it answered or why there was no answer', async () => {
    const id = await created();
    status = 503;
    const one = await server.addDevice();
    expect((await eventsOf(one.id))[0]).toMatchObject({
      delivery_statuses: [{ integration_id: id, success: false, status_code: 503, error: 'the answer was 503' }],
    });
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const closed = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
    silent.close();
    const credentials = { type: 'http', http: { url: closed } };
    expect((await call('PUT', `/integrations/${id}/credentials`, credentials)).status).toBe(204);
    const other = await server.addDevice();
    expect((await eventsOf(other.id))[0]).toMatchObject({
      delivery_statuses: [{ success: false, error: expect.stringContaining('ECONNREFUSED') }],
    });
    const page = await call('GET', `/events?per_page=1&integration_id=${id}`);
    expect(page.headers.get('link')).toContain('rel="next"');
    const none = '00000000-0000-4000-8000-000000000000';
    expect((await call('GET', `/events?integration_id=${none}`)).body).toEqual([]);
  });

  it('is there once, shown without its secret, changed and removed', async () => {
    const id = await created({ url, secret: 'ab' });
    const shown = { id, provider: 'webhook', credentials: { type: 'http', http: { url } } };
    expect((await call('GET', '/integrations')).body).toEqual([shown]);
    expect((await call('GET', `/integrations/${id}`)).body).toEqual(shown);
    expect(await call('POST', '/integrations', webhook({ url }))).toMatchObject({
      status: 409,
      body: { error: 'integration already exists' },
    });
    expect((await call('DELETE', `/integrations/${id}`)).status).toBe(204);
    expect((await call('DELETE', `/integrations/${id}`)).status).toBe(404);
    expect((await call('GET', `/integrations/${id}`)).status).toBe(404);
    const credentials = { type: 'http', http: { url } };
    expect((await call('PUT', `/integrations/${id}/credentials`, credentials)).status).toBe(404);
    const audit = await server.call('GET', '/api/management/v1/patchbay/audit?per_page=50', { token });
    expect(audit.text).toContain('integration_create');
    expect(audit.text).not.toContain('"ab"');
  });

  it('inside the own network is refused, with the address (CVE-2022-29556)', async () => {
    for (const bad of ['http://10.0.0.1/', 'http://[::1]:80/', 'http://169.254.169.254/']) {
      expect(await call('POST', '/integrations', webhook({ url: bad }))).toMatchObject({
        status: 400,
        body: { error: expect.stringMatching(/^url: .* is a private or reserved address$/) },
      });
      const id = await created();
      const credentials = { type: 'http', http: { url: bad } };
      expect((await call('PUT', `/integrations/${id}/credentials`, credentials)).status).toBe(400);
      await call('DELETE', `/integrations/${id}`);
    }
  });

  it.each([
    [{ provider: 'iot-hub', credentials: { type: 'sas', connection_string: 'x' } }, /iot-hub is not supported/],
    [{ provider: 'iot-core', credentials: { type: 'aws', aws: {} } }, /iot-core is not supported/],
    [{ provider: 'carrier pigeon', credentials: { type: 'http' } }, /provider/],
    [webhook({ url: 'http://example.com/', secret: 'xyz' }), /secret/],
    [webhook({}), /url/],
    [{ provider: 'webhook', credentials: { type: 'sas' } }, /http/],
    [{ ...webhook({ url: 'http://example.com/' }), description: 'x'.repeat(1025) }, /1024/],
  ])('%j is refused', async (body, why) => {
    expect(await call('POST', '/integrations', body)).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(why) },
    });
  });
});

it('no integration keeps a state of a device', async () => {
  const { id } = await server.addDevice();
  expect(await call('GET', `/devices/${id}/state`)).toMatchObject({ status: 200, body: {} });
  expect((await call('GET', '/devices/x/state')).status).toBe(404);
  expect((await call('GET', `/devices/${id}/state/${id}`)).status).toBe(404);
  expect((await call('PUT', `/devices/${id}/state/${id}`, { desired: {} })).status).toBe(404);
  expect((await call('DELETE', `/devices/${id}`)).status).toBe(404);
});

it('an event that a stopped server still had to tell of is told by the next start', async () => {
  await created();
  // Whoever is told does not answer before the server has been stopped.
  const silent = createServer((req) => void text(req).then(() => heard()));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const [{ id }] = (await call('GET', '/integrations')).body as [{ id: string }];
  const slow = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`;
  await call('PUT', `/integrations/${id}/credentials`, { type: 'http', http: { url: slow } });
  const arrived = new Promise<void>((resolve) => (heard = resolve));
  await server.addDevice();
  await arrived;
  await call('PUT', `/integrations/${id}/credentials`, { type: 'http', http: { url } });
  await server.restart();
  const events = await deliveries(2);
  expect(events.map(({ type }) => type)).toEqual(['device-provisioned', 'device-status-changed']);
  silent.closeAllConnections();
  silent.close();
});
