// What an administrator sees of a running server: figures, readiness, limits, its log.
import { chmod, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Log } from '#base/log';
import { networksOf, trustOf } from './http/proxies.ts';
import { password, stage, type Stage } from './stage.ts';

let server: Stage;
afterEach(() => server.close());

interface Line {
  readonly level: string;
  readonly event: string;
  readonly [field: string]: unknown;
}

function logTo(lines: Line[]): Log {
  const at = (level: string) => (event: string, fields: object) => void lines.push({ level, event, ...fields });
  const log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } as Omit<Log, 'child'>;
  return { ...log, child: () => logTo(lines) };
}

const poll = '/api/devices/v1/deployments/device/deployments/next?artifact_name=a&device_type=b';

describe('rates', () => {
  it('a device that asks without end is told to wait, and no other one suffers', async () => {
    const lines: Line[] = [];
    server = await stage(
      { rates: { device: 30, user: 0, address: 0 }, metrics: { host: '127.0.0.1', port: 0 } },
      logTo(lines),
    );
    const [one, other] = [await server.addDevice(), await server.addDevice()];
    const ask = (token: string) => server.call('GET', poll, { token });
    for (let i = 0; i < 30; i++) expect((await ask(one.token)).status).toBe(204);
    const refused = await ask(one.token);
    expect(refused).toMatchObject({
      status: 429,
      body: { error: 'too many requests: try again in 2 s', request_id: expect.any(String) },
    });
    expect(refused.headers.get('retry-after')).toBe('2');
    const elsewhere = await server.call('GET', '/api/devices/v1/deviceconfig/configuration', { token: one.token });
    expect(elsewhere.status).toBe(429);
    expect((await ask(other.token)).status).toBe(204);
    const at = lines.find(({ event }) => event === 'metrics ready');
    const figures = await (await fetch(`http://127.0.0.1:${String(at?.['port'])}/metrics`)).text();
    expect(figures).toMatch(/^patchbay_rate_limited_total\{kind="device"\} 2$/m);
  });

  it('a request counts once, whichever way it goes', async () => {
    server = await stage({ rates: { device: 3, user: 0, address: 0 } });
    const { token } = await server.addDevice();
    // Too few words: off the short way onto the long one, which has words for it.
    const short = poll.replace('artifact_name=a&', '');
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await server.call('GET', short, { token })).status);
    expect(statuses).toEqual([400, 400, 400, 429]);
  });

  it("a person's script that asks without end is told to wait; a login is not counted to him", async () => {
    server = await stage({ rates: { device: 0, user: 5, address: 0 } });
    const token = await server.login();
    const statuses = [];
    for (let i = 0; i < 6; i++)
      statuses.push((await server.call('GET', '/api/management/v1/useradm/users/me', { token })).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
    expect(await server.login()).toBeTruthy();
  });
});

describe('devices that ask to come in', () => {
  const path = '/api/devices/v1/authentication/auth_requests';
  const body = { id_data: '{"mac":"1"}', pubkey: 'x' };
  const ask = (forwarded: string, via = server) =>
    via.call('POST', path, { body, headers: { 'x-forwarded-for': forwarded, 'x-men-signature': 'eA==' } });

  it('are told to wait when there are too many of them at one address, behind a proxy that of the device', async () => {
    server = await stage({ rates: { device: 0, user: 0, address: 3 }, trust: trustOf('1') });
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await ask('203.0.113.1')).status);
    expect(statuses).toEqual([400, 400, 400, 429]);
    expect(Number((await ask('203.0.113.1')).headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await ask('203.0.113.2')).status).toBe(400);
  });

  it('whoever only says that he is elsewhere is counted where he is', async () => {
    server = await stage({ rates: { device: 0, user: 0, address: 3 } });
    const statuses = [];
    for (let i = 0; i < 4; i++) statuses.push((await ask(`203.0.113.${i}`)).status);
    expect(statuses).toEqual([400, 400, 400, 429]);
  });
});

describe('health', () => {
  it('says to everybody that the server lives and can work', async () => {
    server = await stage();
    expect(await server.call('GET', '/health')).toMatchObject({ status: 200, body: { status: 'ok' } });
    expect(await server.call('GET', '/ready')).toMatchObject({
      status: 200,
      body: { status: 'ready', checks: { database: 'ok', artifacts: 'ok', space: 'ok' } },
    });
  });

  it('without room it is not ready, but alive', async () => {
    server = await stage({ minFree: Number.MAX_SAFE_INTEGER });
    expect(await server.call('GET', '/ready')).toMatchObject({
      status: 503,
      body: { status: 'unready', checks: { database: 'ok', artifacts: 'ok', space: 'failed' } },
    });
    expect((await server.call('GET', '/health')).status).toBe(200);
  });

  it('without its folder of artifacts it is not ready', async () => {
    const lines: Line[] = [];
    server = await stage({}, logTo(lines));
    const folder = join(server.data, 'artifacts');
    await rename(folder, `${folder}.away`);
    expect(await server.call('GET', '/ready')).toMatchObject({
      status: 503,
      body: { checks: { artifacts: 'failed' } },
    });
    expect(lines).toContainEqual(
      expect.objectContaining({ level: 'error', event: 'not ready', what: 'artifacts', error: expect.any(String) }),
    );
    await rename(`${folder}.away`, folder);
    await chmod(folder, 0o700);
  });
});

describe('figures', () => {
  it('are on a port of their own, and not on the public one', async () => {
    const lines: Line[] = [];
    server = await stage({ metrics: { host: '127.0.0.1', port: 0 } }, logTo(lines));
    const { token } = await server.addDevice();
    await server.call('GET', poll, { token });
    await server.call('GET', '/api/management/v1/useradm/users/me?secret=word', { token });
    const at = lines.find(({ event }) => event === 'metrics ready');
    const response = await fetch(`http://127.0.0.1:${String(at?.['port'])}/metrics`);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await response.text();
    expect(text).toMatch(/^patchbay_polls_idle_total 1$/m);
    expect(text).toMatch(/^patchbay_devices\{status="accepted"\} 1$/m);
    expect(text).toMatch(/^patchbay_device_sockets 0$/m);
    expect(text).toMatch(/^patchbay_rate_limited_total\{kind="user"\} 0$/m);
    expect(text).toMatch(/^patchbay_storage_free_bytes [1-9]/m);
    expect(text).toMatch(/^process_resident_memory_bytes [1-9]/m);
    expect(text).toMatch(
      /^patchbay_http_request_seconds_count\{method="GET",route="\/api\/management\/v1\/useradm\/users\/me",status="401"\} 1$/m,
    );
    // Add-ons have theirs.
    expect(text).toMatch(/^patchbay_monitor_alerts_total\{result="taken"\} 0$/m);
    expect(text).not.toContain('word');
    expect((await fetch(`http://127.0.0.1:${String(at?.['port'])}/`)).status).toBe(404);
    expect((await server.call('GET', '/metrics')).text).not.toContain('patchbay_');
  });
});

describe('the log', () => {
  it('has a line for each request with its id, who, which route, how long; never what the query said', async () => {
    const lines: Line[] = [];
    server = await stage({}, logTo(lines));
    const device = await server.addDevice();
    await server.call('GET', '/api/devices/v1/deviceconfig/configuration?token=abc', {
      token: device.token,
      headers: { 'x-men-requestid': 'mine' },
    });
    const line = lines.find(({ request }) => request === 'mine');
    expect(line).toEqual({
      level: 'debug',
      event: 'request',
      request: 'mine',
      method: 'GET',
      route: '/api/devices/v1/deviceconfig/configuration',
      status: 200,
      ms: expect.any(Number),
      address: '127.0.0.1',
      device: device.id,
    });
  });

  it('holds no password, token, key, signature or setting, whatever happens and at any level', async () => {
    const lines: Line[] = [];
    server = await stage({ webhookNetworks: networksOf('x', '127.0.0.1') }, logTo(lines));
    const token = await server.login();
    const as = { token };
    const secrets = { setting: 'wifi-pass-phrase', webhook: 'c0ffee00c0ffee00', wrong: 'a wrong pass phrase' };
    await server.login(undefined, secrets.wrong).catch(() => undefined);
    const access = await server.call('POST', '/api/management/v1/useradm/settings/tokens', {
      ...as,
      body: { name: 'ci' },
    });
    const http = { url: 'http://127.0.0.1:9/', secret: secrets.webhook };
    await server.call('POST', '/api/management/v1/iot-manager/integrations', {
      ...as,
      body: { provider: 'webhook', credentials: { type: 'http', http } },
    });
    const device = await server.addDevice();
    const configuration = `/api/management/v1/deviceconfig/configurations/device/${device.id}`;
    await server.call('PUT', configuration, { ...as, body: { psk: secrets.setting } });
    await server.call('POST', `${configuration}/deploy`, { ...as, body: {} });
    const next = await server.call('GET', poll, { token: device.token });
    const { uri } = (next.body as { artifact: { source: { uri: string } } }).artifact.source;
    expect((await fetch(uri)).status).toBe(200);
    expect((await fetch(`${uri}x`)).status).toBe(403);
    const upload = await server.call('POST', '/api/management/v1/deployments/artifacts/directupload', as);
    const link = (upload.body as { uri: string }).uri;
    await fetch(link, { method: 'PUT', body: 'no artifact' });
    await server.call('PUT', '/api/management/v1/useradm/users/me', {
      ...as,
      body: { password: 'short', current_password: password },
    });
    await server.call('GET', `/api/management/v1/useradm/users/me?token=${token}`, {
      headers: { authorization: `Token ${token}` },
    });
    await server.call('GET', '/api/management/v1/useradm/users/me', { headers: { cookie: `JWT=${token}` } });
    await server.call('POST', '/api/management/v1/useradm/settings', {
      ...as,
      raw: `{"token":"${token}"`,
      headers: { 'content-type': 'application/json' },
    });
    const said = lines.map((line) => JSON.stringify(line)).join('\n');
    expect(lines.filter(({ event }) => event === 'request').length).toBeGreaterThan(15);
    const signature = (of: string): string => new URL(of).search.split('ignature=')[1] ?? '';
    for (const [what, secret] of Object.entries({
      ...secrets,
      password,
      token,
      access: access.text,
      device: device.token,
      tokenPart: token.split('.')[2] ?? '',
      download: signature(uri),
      upload: signature(link),
      key: 'PUBLIC KEY',
    })) {
      expect(secret.length, what).toBeGreaterThan(7);
      expect(said.includes(secret), what).toBe(false);
    }
  });

  it('believes a proxy that it trusts, and nobody else, about who called', async () => {
    const lines: Line[] = [];
    server = await stage({ trust: (address) => address === '127.0.0.1' || address === '10.0.0.1' }, logTo(lines));
    await server.call('GET', '/health', {
      headers: { 'x-forwarded-for': '6.6.6.6, 192.0.2.7, 10.0.0.1', 'x-men-requestid': 'mine' },
    });
    expect(lines.find(({ request }) => request === 'mine')?.['address']).toBe('192.0.2.7');
  });
});
