// The server behind a real nginx with the configuration of `docs/administration.md`.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch, FormData } from 'undici';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { artifactBytes, bytesSource } from '#artifact';
import { trustOf } from '../server/http/proxies.ts';
import { stage, type Stage } from '../server/stage.ts';
import { describePeers } from './peers.ts';
import { type CertificatePair, makeCertificate } from './stage/certificate.ts';
import { freePort, startNginx } from './stage/nginx.ts';
import { eventually, type Program } from './stage/program.ts';

await describePeers('behind nginx', ['nginx'], (root) => {
  let folder: string;
  let server: Stage;
  /** Another, to be reached below a path. */
  let below: Stage;
  let nginx: Program;
  let certificate: CertificatePair;
  let url: string;
  let token: string;
  /** From an address of our own, so that it can be told from the proxy's. */
  let client: Agent;
  const call = (path: string, init: { method?: string; headers?: Record<string, string>; body?: FormData } = {}) =>
    fetch(path.startsWith('/') ? url + path : path, { ...init, dispatcher: client });
  const bearer = (who: string) => ({ authorization: `Bearer ${who}` });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-nginx-'));
    certificate = await makeCertificate(folder, 'proxy');
    client = new Agent({ localAddress: '127.0.0.9', connect: { ca: certificate.ca } });
    const port = await freePort();
    url = `https://127.0.0.1:${port}`;
    server = await stage({ trust: trustOf('127.0.0.1') });
    below = await stage({ trust: trustOf('127.0.0.1'), publicUrl: `${url}/below` });
    const extra = `location /below/ { proxy_pass http://127.0.0.1:${below.server.port}/; }`;
    const upstream = server.server.port;
    nginx = await startNginx(root ?? '', join(folder, 'nginx'), { port, upstream, certificate, extra });
    token = await server.login();
  });
  afterAll(async () => {
    await client?.close();
    await nginx?.stop();
    await server?.close();
    await below?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Uploads an artifact through the proxy, and deploys it to a new device; gives back what the device polls. */
  async function deployed(at: Stage, prefix: string) {
    const device = await at.addDevice();
    const token = await at.login();
    const payload = { type: 'single-file', provides: {}, depends: {}, clears: [] };
    const files = [bytesSource('file', Buffer.alloc(300_000, 'x'))];
    const bytes = await artifactBytes({
      name: 'r1',
      depends: { device_type: ['b'] },
      payload: { ...payload, files },
      compression: 'none',
    });
    const form = new FormData();
    form.append('size', String(bytes.length));
    form.append('artifact', new Blob([new Uint8Array(bytes)]), 'r1.mender');
    const uploaded = await call(`${prefix}/api/management/v1/deployments/artifacts`, {
      method: 'POST',
      headers: bearer(token),
      body: form,
    });
    expect([uploaded.status, await uploaded.text()]).toEqual([201, '']);
    const body = { name: 'd1', artifact_name: 'r1', devices: [device.id] };
    const path = '/api/management/v1/deployments/deployments';
    expect((await at.call('POST', path, { token, body })).status).toBe(201);
    const found = await call(prefix + next, { headers: bearer(device.token) });
    const { artifact } = (await found.json()) as { artifact: { source: { uri: string } } };
    return { uri: artifact.source.uri, bytes };
  }
  const next = '/api/devices/v1/deployments/device/deployments/next?artifact_name=a&device_type=b';

  it('the audit log names the caller, not the proxy', async () => {
    const basic = Buffer.from('nobody@example.com:wrong').toString('base64');
    const headers = { authorization: `Basic ${basic}`, 'x-forwarded-for': '6.6.6.6' };
    expect((await call('/api/management/v1/useradm/auth/login', { method: 'POST', headers })).status).toBe(401);
    const { body } = await server.call('GET', '/api/management/v1/patchbay/audit?per_page=1', { token });
    expect(body).toMatchObject([{ action: 'login', result: 'refused', address: '127.0.0.9' }]);
  });

  it('an artifact goes up, and down by a link that leads through the proxy, in parts', async () => {
    const { uri, bytes } = await deployed(server, '');
    expect(uri.startsWith(`${url}/api/`)).toBe(true);
    const part = await call(uri, { headers: { range: 'bytes=1000-' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([
      206,
      `bytes 1000-${bytes.length - 1}/${bytes.length}`,
    ]);
    expect(Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(1000))).toBe(true);
    expect(part.headers.get('strict-transport-security')).toBe('max-age=31536000');
  });

  it('sockets of devices and people pass, a page of elsewhere does not', async () => {
    const device = await server.addDevice();
    const options = { ca: certificate.ca };
    const wss = url.replace('https', 'wss');
    const deviceSocket = new WebSocket(`${wss}/api/devices/v1/deviceconnect/connect`, {
      ...options,
      headers: bearer(device.token),
    });
    await once(deviceSocket, 'open');
    const path = `/api/management/v1/deviceconnect/devices/${device.id}`;
    await eventually('the device is connected', async () => {
      const { body } = await server.call('GET', path, { token });
      return (body as { status: string }).status === 'connected';
    });
    const person = (origin: string): WebSocket =>
      new WebSocket(`${wss}${path}/connect`, { ...options, origin, headers: { cookie: `JWT=${token}` } });
    const welcome = person(url);
    await once(welcome, 'open');
    const evil = person('https://evil.example');
    evil.on('error', () => {});
    const [, response] = (await once(evil, 'unexpected-response')) as [unknown, { statusCode: number }];
    expect(response.statusCode).toBe(403);
    for (const socket of [welcome, evil, deviceSocket]) socket.terminate();
  });

  it('below a path: a device polls, and the link that it gets leads back through it (ask-32)', async () => {
    const { uri, bytes } = await deployed(below, '/below');
    expect(uri.startsWith(`${url}/below/api/`)).toBe(true);
    expect(Buffer.from(await (await call(uri)).arrayBuffer()).equals(bytes)).toBe(true);
  });
});
