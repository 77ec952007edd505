import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { silentLog } from '#base/log';
import { dialer, proxyFor } from './dial.ts';

// A server that is known only to the proxy, as in a plant whose devices see nothing else.
const open = new AsyncDisposableStack();
let folder: string;
let plain: number;
let secure: number;
let proxy: number;
let answer: string | undefined;
const asked: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-dial-'));
  open.defer(() => rm(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x'];
  const names = ['-addext', 'subjectAltName=DNS:server.plant'];
  await promisify(execFile)('openssl', [...request, ...names, '-keyout', key, '-out', cert]);
  plain = await serve(createServer());
  secure = await serve(createSecureServer({ key: await readFile(key), cert: await readFile(cert) }));
  proxy = await listen(
    createServer().on('connect', ({ url = '', headers }, socket: Socket) => {
      asked.push(`${url} ${headers['proxy-authorization'] ?? ''}`.trim());
      socket.on('error', () => undefined);
      if (answer) return void socket.end(`HTTP/1.1 ${answer}\r\nContent-Length: 0\r\n\r\n`);
      const far = connect(Number(url.split(':').at(-1)), '127.0.0.1');
      far.on('error', () => socket.destroy());
      far.once('connect', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
      far.pipe(socket).pipe(far);
    }),
  );
});
afterAll(() => open.disposeAsync());

async function serve(server: Server): Promise<number> {
  const sockets = new WebSocketServer({ server });
  sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
  server.on('request', (_, response) => response.end('hello'));
  return await listen(server);
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

const through = (certificate?: string) => {
  const url = `http://ann:s%40cret@127.0.0.1:${proxy}`;
  return dialer({ env: { https_proxy: url, HTTP_PROXY: url }, certificate, log: silentLog });
};

async function echo(url: string, certificate?: string): Promise<string> {
  const socket = new WebSocket(url, through(certificate).socket(new URL(url)));
  try {
    await once(socket, 'open');
    socket.send('there and back');
    const [data] = (await once(socket, 'message')) as [Buffer];
    return data.toString();
  } finally {
    socket.on('error', () => undefined).terminate();
  }
}

it('joins through the proxy, with its password, plain and over TLS with the CA of the configuration', async () => {
  asked.length = 0;
  expect(await echo(`ws://server.plant:${plain}/x`)).toBe('there and back');
  expect(await echo(`wss://server.plant:${secure}/x`, join(folder, 'cert'))).toBe('there and back');
  const login = `Basic ${Buffer.from('ann:s@cret').toString('base64')}`;
  expect(asked).toEqual([`server.plant:${plain} ${login}`, `server.plant:${secure} ${login}`]);
});

it('asks the server in the same way what an add-on wants to know', async () => {
  const dial = through(join(folder, 'cert'));
  const answers = [`http://server.plant:${plain}/`, `https://server.plant:${secure}/`].map(
    async (url) => (await dial.ask(new URL(url))).text,
  );
  expect(await Promise.all(answers)).toEqual(['hello', 'hello']);
});

it('does not believe a certificate that nobody vouches for, proxy or not', async () => {
  await expect(echo(`wss://server.plant:${secure}/x`)).rejects.toThrow(/self.signed/);
});

it('says what the proxy refused', async () => {
  answer = '407 Proxy Authentication Required';
  await expect(echo(`ws://server.plant:${plain}/x`)).rejects.toThrow(
    `the proxy 127.0.0.1:${proxy} refused to join with server.plant:${plain}: it answered 407`,
  );
  answer = undefined;
});

it('goes past the proxy where NO_PROXY says so, and always on this machine', () => {
  const env = (NO_PROXY: string) => ({ HTTPS_PROXY: 'proxy.plant:3128', NO_PROXY });
  const used = (url: string, none = ''): boolean => proxyFor(new URL(url), env(none)) !== undefined;
  expect(proxyFor(new URL('wss://a.example'), env(''))?.href).toBe('http://proxy.plant:3128/');
  expect(used('ws://a.example')).toBe(false);
  for (const here of ['wss://localhost', 'https://127.0.0.1:8443', 'wss://[::1]']) expect(used(here)).toBe(false);
  for (const none of ['*', 'example', 'x.y, a.example', '.example', '*.example', 'a.example:443'])
    expect({ none, used: used('wss://a.example', none) }).toEqual({ none, used: false });
  for (const none of ['.a.example', 'b.example', 'ample', 'a.example:8443'])
    expect({ none, used: used('wss://a.example', none) }).toEqual({ none, used: true });
  expect(() => proxyFor(new URL('wss://a.example'), { https_proxy: 'socks5://x' })).toThrow(/HTTPS_PROXY is no proxy/);
});
