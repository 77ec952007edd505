import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '#base/log';
import { loadConfig } from './config.ts';
import { paths } from './places.ts';
import { RigDevice } from './rig/device.ts';
import { textOf, Transport, type TransportOptions } from './transport.ts';

let device: RigDevice;
let server: https.Server | undefined;
const pem = (name: string) => join(device.root, name);

beforeAll(() => {
  device = new RigDevice({});
  const openssl = (...args: string[]) => {
    const { status, stderr } = spawnSync('openssl', args, { cwd: device.root, encoding: 'utf8' });
    if (status !== 0) throw new Error(stderr);
  };
  const make = (name: string, subject: string, ...more: string[]) =>
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.crt`,
      '-subj',
      subject,
      ...more,
    );
  make('right', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost');
  make('wrong', '/CN=elsewhere', '-addext', 'subjectAltName=DNS:elsewhere.example');
  make('device', '/CN=device');
});
afterAll(() => device[Symbol.dispose]());
afterEach(() => {
  server?.close();
  server?.closeAllConnections();
});

async function listen(name: string, options: https.ServerOptions = {}): Promise<string> {
  server = https.createServer(
    { key: readFileSync(pem(`${name}.key`)), cert: readFileSync(pem(`${name}.crt`)), ...options },
    (_, response) => response.end('hello'),
  );
  server.listen(0, 'localhost');
  await once(server, 'listening');
  return `https://localhost:${(server.address() as AddressInfo).port}/`;
}
function transport(settings: object = {}, options: TransportOptions = {}): Transport {
  device.write(paths.config(device.places), JSON.stringify(settings));
  return new Transport(loadConfig(device.places, {}, silentLog), options, silentLog);
}
const get = async (url: string, settings: object = {}, options: TransportOptions = {}) =>
  textOf(await transport(settings, options).request(url));

describe('the transport', () => {
  it('UC-12 an unknown CA is refused, ours is taken, a wrong host name is refused, SkipVerify takes all', async () => {
    const url = await listen('right');
    await expect(get(url)).rejects.toThrow('self-signed certificate');
    expect(await get(url, { ServerCertificate: pem('right.crt') })).toBe('hello');
    expect(await get(url, {}, { trustedCerts: pem('right.crt') })).toBe('hello');
    expect(await get(url, { SkipVerify: true })).toBe('hello');
    server?.close();
    const other = await listen('wrong');
    await expect(get(other, { ServerCertificate: pem('wrong.crt') })).rejects.toThrow("cert's altnames");
  });

  it('UC-13 a server that wants a client certificate gets ours', async () => {
    const url = await listen('right', {
      requestCert: true,
      rejectUnauthorized: true,
      ca: readFileSync(pem('device.crt')),
    });
    const trust = { ServerCertificate: pem('right.crt') };
    await expect(get(url, trust)).rejects.toThrow();
    expect(await get(url, { ...trust, HttpsClient: { Certificate: pem('device.crt'), Key: pem('device.key') } })).toBe(
      'hello',
    );
  });

  it('UC-15 a proxy carries HTTPS by CONNECT with its credentials; exceptions go directly', async () => {
    const url = await listen('right');
    const seen: (string | undefined)[] = [];
    const proxy = http.createServer();
    proxy.on('connect', (request: http.IncomingMessage, socket: net.Socket) => {
      seen.push(request.headers['proxy-authorization']);
      const { hostname, port } = new URL(`http://${request.url}`);
      const far = net.connect(Number(port), hostname, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        far.pipe(socket).pipe(far);
      });
      for (const end of [far, socket]) end.on('error', () => undefined);
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const https_proxy = `http://me:secret@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const trust = { ServerCertificate: pem('right.crt') };
    try {
      expect(await get(url, trust, { proxies: { https_proxy } })).toBe('hello');
      expect(seen).toEqual([`Basic ${Buffer.from('me:secret').toString('base64')}`]);
      expect(await get(url, trust, { proxies: { https_proxy, no_proxy: 'example.com localhost' } })).toBe('hello');
      expect(seen).toHaveLength(1);
      // A leading dot stands for all that ends like that.
      const address = url.replace('localhost', '127.0.0.1');
      const plain = { SkipVerify: true };
      expect(await get(address, plain, { proxies: { https_proxy, no_proxy: '.0.0.2' } })).toBe('hello');
      expect(seen).toHaveLength(2);
      expect(await get(address, plain, { proxies: { https_proxy, no_proxy: 'x .0.0.1' } })).toBe('hello');
      expect(seen).toHaveLength(2);
      expect(() => transport({}, { proxies: { https_proxy, HTTPS_PROXY: 'http://other:1' } })).toThrow('keep one');
    } finally {
      proxy.close();
      proxy.closeAllConnections();
    }
  });
});
