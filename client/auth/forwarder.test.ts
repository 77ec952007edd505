import { once } from 'node:events';
import http from 'node:http';
import { networkInterfaces } from 'node:os';
import net, { type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { silentLog } from '#base/log';
import { devicePaths } from '#proto/http/device';
import { loadConfig } from '../config.ts';
import { Transport } from '../transport.ts';
import { Forwarder } from './forwarder.ts';

const nowhere = { conf: '/nonexistent', share: '/nonexistent', store: '/nonexistent' };
const transport = new Transport(loadConfig(nowhere, {}, silentLog), {}, silentLog);
let server: http.Server;
let sockets: WebSocketServer;
let forwarder: Forwarder;
let seen: { url: string; authorization: string | undefined; body: string }[];

beforeEach(async () => {
  seen = [];
  server = http.createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      seen.push({ url: request.url ?? '', authorization: request.headers.authorization, body });
      response.writeHead(201, { 'X-Answer': 'yes' }).end(`got ${body}`);
    });
  });
  sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false });
  server.on('upgrade', (request, socket, head) => {
    if (request.url !== devicePaths.connect) {
      socket.end('HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (ws) => ws.on('message', (data) => ws.send(data, { binary: true })));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  forwarder = await Forwarder.open({ token: 'secret', server: `http://127.0.0.1:${port}` }, transport, silentLog);
});
afterEach(async () => {
  await forwarder[Symbol.asyncDispose]();
  sockets.close();
  for (const client of sockets.clients) client.terminate();
  server.close();
  server.closeAllConnections();
});

const headers = { Authorization: 'Bearer secret' };
const open = (path: string, token = 'secret') =>
  new WebSocket(`${forwarder.url.replace('http', 'ws')}${path}`, 'protomsg.msgpack', {
    headers: { Authorization: `Bearer ${token}` },
    perMessageDeflate: false,
  });

describe('the loopback forwarder', () => {
  it('passes requests with their body and answers with their status and headers', async () => {
    const response = await fetch(`${forwarder.url}/api/devices/v1/inventory/device/attributes?x=1`, {
      method: 'PUT',
      headers,
      body: 'hello',
    });
    expect([response.status, response.headers.get('x-answer'), await response.text()]).toEqual([
      201,
      'yes',
      'got hello',
    ]);
    expect(seen).toEqual([
      { url: '/api/devices/v1/inventory/device/attributes?x=1', authorization: 'Bearer secret', body: 'hello' },
    ]);
  });

  it('refuses the authentication path, other paths, and everybody without the token', async () => {
    const status = async (path: string, with_: Record<string, string> = headers) =>
      (await fetch(`${forwarder.url}${path}`, { headers: with_ })).status;
    expect(await status(devicePaths.authRequest)).toBe(403);
    expect(await status('/api/devices/v1/%61uthentication/auth_requests')).toBe(403);
    expect(await status('/api/management/v1/devauth/devices')).toBe(404);
    expect(await status('/api/devices/v1/..%2f..%2f..%2fapi/management/')).toBe(404);
    expect(await status('/api/devices/v1/x', {})).toBe(401);
    expect(await status('/api/devices/v1/x', { Authorization: 'Bearer other!' })).toBe(401);
    expect(seen).toEqual([]);
  });

  it('CVE-2022-32290: listens on loopback only', async () => {
    const { port } = new URL(forwarder.url);
    const outside = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal)?.address;
    if (outside === undefined) return;
    const socket = net.connect(Number(port), outside);
    const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toBe('ECONNREFUSED');
  });

  it('carries a WebSocket both ways, subprotocol and all', async () => {
    const ws = open(devicePaths.connect);
    await once(ws, 'open');
    expect(ws.protocol).toBe('protomsg.msgpack');
    const big = Buffer.alloc(1_000_000, 7);
    ws.send(big);
    const [echo] = (await once(ws, 'message')) as [Buffer];
    expect(echo.equals(big)).toBe(true);
    ws.close();
    await once(ws, 'close');
  });

  it('closes both sides of a WebSocket when its grant ends', async () => {
    const ws = open(devicePaths.connect);
    await once(ws, 'open');
    const [far] = sockets.clients;
    const closed = Promise.all([once(ws, 'close'), once(far!, 'close')]);
    await forwarder[Symbol.asyncDispose]();
    await closed;
  });

  it('hands a refused upgrade back as it is, and refuses one without the token itself', async () => {
    for (const [path, token] of [
      ['/api/devices/v1/other', 'secret'],
      [devicePaths.connect, 'wrong'],
    ] as const) {
      const ws = open(path, token);
      const [error] = (await once(ws, 'error')) as [Error];
      expect(error.message).toContain('401');
    }
  });

  it('answers 503 while the server is away', async () => {
    server.close();
    server.closeAllConnections();
    expect((await fetch(`${forwarder.url}/api/devices/v1/x`, { headers })).status).toBe(503);
  });
});
