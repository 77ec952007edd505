// A device's own web page, opened through the server: its programs, Chromium, and HTTP as it is.
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import type { Device } from '#proto/http/devices';
import type { AuditEntry } from '#proto/http/users';
import { buildPages, describeBrowser, Person } from './stage/person.ts';
import { eventually } from './stage/program.ts';
import { Rig } from './stage/rig.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

describeBrowser('a web page of a device', (executable) => {
  const open = new AsyncDisposableStack();
  let rig: Rig;
  let device: Device;
  let port: number;
  let secure: number;
  /** What the device was asked. */
  const asked: IncomingMessage[] = [];

  beforeAll(async () => {
    await buildPages();
    rig = open.use(await Rig.start('pages'));
    device = await rig.device('patchbay');
    port = await serve(createServer());
    const [key, cert] = [join(rig.folder, 'key'), join(rig.folder, 'cert')];
    const make = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x'];
    await promisify(execFile)('openssl', [...make, '-keyout', key, '-out', cert]);
    secure = await serve(createSecureServer({ key: await readFile(key), cert: await readFile(cert) }));
  }, 120_000);
  afterAll(() => open.disposeAsync());

  /** A page as devices have them: cookies, redirects to its own address, a form, a socket. */
  async function serve(server: Server): Promise<number> {
    const sockets = new WebSocketServer({ server });
    sockets.on('connection', (socket, req) => {
      asked.push(req);
      socket.on('message', (data: Buffer) => socket.send(`device: ${data.toString()}`));
    });
    server.on('request', (req: IncomingMessage, res) => {
      asked.push(req);
      if (req.url === '/old') return void res.writeHead(302, { Location: `http://${req.headers.host}/new` }).end();
      if (req.url === '/big') return void res.end(Buffer.alloc(3_000_000, 'x'));
      if (req.method === 'POST') return void req.pipe(res);
      res.setHeader('Set-Cookie', ['seen=yes; Domain=localhost; Path=/', 'patchbay-page=stolen', 'JWT=mine; HttpOnly']);
      res.setHeader('Strict-Transport-Security', 'max-age=9; includeSubDomains');
      res.setHeader('Content-Type', 'text/html');
      res.end(`<title>router</title><h1>Router</h1><p id=said></p><script>
        const socket = new WebSocket(location.origin.replace('http', 'ws') + '/live');
        socket.onopen = () => socket.send('hello');
        socket.onmessage = ({ data }) => document.getElementById('said').textContent = data;</script>`);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    open.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  async function link(body: unknown = { port }): Promise<URL> {
    const answer = await rig.operator.request('POST', `/v1/patchbay/devices/${device.id}/pages`, body);
    return new URL(((await answer.json()) as { url: string }).url);
  }

  /** As a browser that knows where `*.localhost` is. */
  async function ask(
    url: URL | string,
    headers: Record<string, string> = {},
    method = 'GET',
    body = '',
  ): Promise<Answer> {
    const { host, port: at, pathname, search } = new URL(url);
    const req = request({
      host: '127.0.0.1',
      port: at,
      path: pathname + search,
      method,
      headers: { host, ...headers },
    });
    req.end(body);
    const [res] = (await once(req, 'response')) as [IncomingMessage];
    let text = '';
    for await (const piece of res) text += String(piece);
    return { status: res.statusCode ?? 0, headers: res.headers, text };
  }

  /** The cookie of somebody who has followed a link. */
  async function enter(body?: unknown): Promise<{ origin: string; cookie: string }> {
    const url = await link(body);
    const { headers } = await ask(url);
    return { origin: url.origin, cookie: headers['set-cookie']![0]!.split(';')[0]! };
  }

  it('opens from the page of its device, in a window of its own, with its sockets', async () => {
    await using person = await Person.at(rig.server.url, executable);
    await person.opens(`/devices/${device.id}`);
    await person.logsIn(rig.server.user, rig.server.password);
    await person.page.getByRole('tab', { name: 'Ports' }).click();
    await person.page.getByLabel('Port', { exact: true }).fill(String(port));
    const [page] = await Promise.all([person.page.context().waitForEvent('page'), person.presses('Open page')]);
    await page.getByText('device: hello').waitFor();
    expect(new URL(page.url()).host).toBe(`${device.id}-${port}.localhost:${new URL(rig.server.url).port}`);
    expect(await page.title()).toBe('router');
    expect(await page.evaluate('document.cookie')).toBe('seen=yes');
    expect(await page.evaluate('window.opener')).toBeNull();
    expect(person.faults).toEqual([]);
  });

  it('is opened by a link that is good once, and by nothing else', async () => {
    const url = await link();
    const first = await ask(url);
    expect(first.status).toBe(303);
    expect(first.headers['set-cookie']).toEqual([
      expect.stringMatching(/^patchbay-page=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/),
    ]);
    expect((await ask(url)).status).toBe(401);
    const token = { authorization: `Bearer ${rig.operator.token}`, cookie: `JWT=${rig.operator.token}` };
    expect(await ask(url.origin, token)).toMatchObject({ status: 401, text: /open it from/ });
    const elsewhere = url.origin.replace(`-${port}.`, `-${secure}.`);
    expect((await ask(elsewhere, { cookie: first.headers['set-cookie']![0]!.split(';')[0]! })).status).toBe(401);
  });

  it('gets its own cookies and never one of the server, and cannot set cookies for others', async () => {
    const { origin, cookie } = await enter();
    asked.length = 0;
    const answer = await ask(`${origin}/x?y=1`, {
      cookie: `a=b; ${cookie}; JWT=${rig.operator.token}; seen=yes`,
      referer: `${origin}/from`,
    });
    expect(asked[0]).toMatchObject({ url: '/x?y=1' });
    expect(asked[0]!.headers).toMatchObject({
      host: `localhost:${port}`,
      cookie: 'a=b; seen=yes',
      referer: `http://localhost:${port}/from`,
    });
    expect(answer.headers['set-cookie']).toEqual(['seen=yes; Path=/', 'JWT=mine; HttpOnly']);
    expect(answer.headers['strict-transport-security']).toBeUndefined();
  });

  it('takes forms and gives large answers, and its redirects stay at home', async () => {
    const { origin, cookie } = await enter();
    expect((await ask(`${origin}/form`, { cookie, origin }, 'POST', 'a=1&b=2')).text).toBe('a=1&b=2');
    expect((await ask(`${origin}/big`, { cookie })).text.length).toBe(3_000_000);
    expect((await ask(`${origin}/old`, { cookie })).headers.location).toBe('/new');
  });

  it('speaks TLS where the device does, whoever signed its certificate', async () => {
    const { origin, cookie } = await enter({ port: secure, tls: true, path: '/deep' });
    expect(origin).toContain(`-${secure}s.localhost`);
    expect((await ask(origin, { cookie })).text).toContain('Router');
    expect(asked.at(-1)!.headers.host).toBe(`localhost:${secure}`);
  });

  it('another origin may not use it, be it a neighbour: no form, no script, no socket', async () => {
    const { origin, cookie } = await enter();
    const neighbour = origin.replace(String(port), '81');
    const attempts: [Record<string, string>, string][] = [
      [{ origin: neighbour }, 'POST'],
      [{ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'no-cors' }, 'GET'],
      [{ 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'navigate' }, 'POST'],
    ];
    for (const [headers, method] of attempts)
      expect((await ask(origin, { cookie, ...headers }, method)).status).toBe(403);
    const follows = { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate' };
    expect((await ask(origin, { cookie, ...follows })).status).toBe(200);
    const { host, port: at } = new URL(origin);
    const socket = new WebSocket(`ws://127.0.0.1:${at}/live`, { headers: { host, cookie, origin: neighbour } });
    const [, refused] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
    expect(refused.statusCode).toBe(403);
    socket.on('error', () => undefined).terminate();
  });

  it('says what is wrong when nothing answers at the port', async () => {
    const { origin, cookie } = await enter({ port: 1 });
    expect(await ask(origin, { cookie })).toMatchObject({ status: 502, text: /connection refused/ });
  });

  it('is in the audit log', async () => {
    const entries = await rig.operator.get<AuditEntry[]>('/v1/patchbay/audit?action=page_open');
    expect(entries[0]).toMatchObject({ object: { type: 'device', id: device.id }, details: { port: 1, tls: false } });
  });

  it('is a session among others: listed, ended by an administrator, and its bytes are in the audit log', async () => {
    const { origin, cookie } = await enter();
    expect((await ask(`${origin}/big`, { cookie })).text).toHaveLength(3_000_000);
    const session = (await rig.operator.sessions()).at(-1)!;
    expect(session).toMatchObject({ device_id: device.id, user_name: rig.server.user, kind: 'port-forward' });
    const { id } = session;
    await rig.operator.request('DELETE', `/v1/patchbay/sessions/${id}`);
    const closed = await eventually('its end is in the log', async () => {
      const ends = await rig.operator.get<AuditEntry[]>('/v1/patchbay/audit?action=session_close&per_page=100');
      return ends.find(({ details }) => details?.['session_id'] === id);
    });
    expect(closed.object.id).toBe(device.id);
    expect(Number(closed.details?.['bytes_from_device'])).toBeGreaterThan(3_000_000);
    expect(Number(closed.details?.['bytes_to_device'])).toBeGreaterThan(100);
    // Whoever has a pass goes on, by another session.
    expect((await ask(`${origin}/new`, { cookie })).status).toBe(200);
  });

  it('is closed to who may not forward ports, and at once to whose login has ended', async () => {
    const { email, password } = { email: 'reader@example.com', password: 'a password for readers' };
    const login = async (): Promise<string> => {
      const headers = { authorization: `Basic ${btoa(`${email}:${password}`)}` };
      return await (
        await fetch(`${rig.server.url}/api/management/v1/useradm/auth/login`, { method: 'POST', headers })
      ).text();
    };
    const pages = `${rig.server.url}/api/management/v1/patchbay/devices/${device.id}/pages`;
    const post = async (token: string) =>
      await fetch(pages, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ port }),
      });
    await rig.operator.request('POST', '/v1/useradm/users', { email, password, roles: ['support'] });
    const token = await login();
    const url = new URL(((await (await post(token)).json()) as { url: string }).url);
    const cookie = (await ask(url)).headers['set-cookie']![0]!.split(';')[0]!;
    expect((await ask(url.origin, { cookie })).status).toBe(200);
    const { host, port: at } = url;
    const socket = new WebSocket(`ws://127.0.0.1:${at}/live`, { headers: { host, cookie, origin: url.origin } });
    await once(socket, 'open');
    const ended = once(socket, 'close');
    await fetch(`${rig.server.url}/api/management/v1/useradm/auth/logout`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    await ended;
    expect((await ask(url.origin, { cookie })).status).toBe(401);
    const users = await rig.operator.get<{ id: string; email: string }[]>('/v1/useradm/users');
    const { id } = users.find((user) => user.email === email)!;
    await rig.operator.request('PUT', `/v1/useradm/users/${id}`, { roles: ['read-only'] });
    expect((await post(await login())).status).toBe(403);
  });

  it('opens by a command, which a script takes the link from', async () => {
    const { code, out } = await rig.run(['open', device.id, `${port}/status`]);
    expect(code).toBe(0);
    const url = new URL(out.toString().trim());
    expect((await ask(url)).headers.location).toBe('/status');
    expect(await rig.run(['open', device.id, 'web'])).toMatchObject({ code: 2, err: /no page: write PORT/ });
  });
});
