import { execFileSync } from 'node:child_process';
import { createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '#base/log';
import { devicePaths, signatureHeader } from '#proto/http/device';
import { loadConfig } from '../config.ts';
import { keySource, runClient } from '../daemon.ts';
import { paths } from '../places.ts';
import { RigDevice } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { ScriptedServer } from '../rig/server.ts';
import { textOf, Transport } from '../transport.ts';
import { openKey } from './key.ts';

const module = '/usr/lib/softhsm/libsofthsm2.so';
const engine = readdirSync('/usr/lib').some((folder) => existsSync(join('/usr/lib', folder, 'engines-3', 'pkcs11.so')));
const missing = !existsSync(module) || !engine;
const title = 'a device key in a PKCS#11 token';
if (missing && process.env['CI'] !== 'true')
  describe.skip(`${title} (install softhsm2 and libengine-pkcs11-openssl)`, () => it('signs', () => undefined));
else describe(title, suite);

function suite(): void {
  let device: RigDevice;
  const before = { ...process.env };
  const at = (name: string) => join(device.root, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: device.root, stdio: 'pipe' });
  const uri = (key: string, pin = ';pin-value=1234') => `pkcs11:token=patchbay;object=${key}${pin}`;
  beforeAll(() => {
    device = new RigDevice({});
    Object.assign(process.env, { SOFTHSM2_CONF: at('softhsm2.conf'), PKCS11_MODULE_PATH: module });
    mkdirSync(at('tokens'));
    writeFileSync(at('softhsm2.conf'), `directories.tokendir = ${at('tokens')}\nobjectstore.backend = file\n`);
    const softhsm = (...args: string[]) => execFileSync('softhsm2-util', args, { stdio: 'pipe' });
    softhsm('--init-token', '--free', '--label', 'patchbay', '--pin', '1234', '--so-pin', '1234');
    openssl('genrsa', '-out', 'rsa.key', '2048');
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ec.key');
    for (const [id, name] of [
      ['01', 'rsa'],
      ['02', 'ec'],
    ] as const) {
      openssl('pkcs8', '-topk8', '-nocrypt', '-in', `${name}.key`, '-out', `${name}.p8`);
      softhsm('--import', at(`${name}.p8`), '--token', 'patchbay', '--pin', '1234', '--id', id, '--label', name);
      const ways = ['-x509', '-days', '2', '-key', `${name}.key`, '-subj', '/CN=localhost'];
      openssl('req', ...ways, '-addext', 'subjectAltName=DNS:localhost', '-out', `${name}.crt`);
    }
  });
  afterAll(() => {
    process.env = before;
    device[Symbol.dispose]();
  });

  const options = (security: object, passphrase?: string) => {
    device.write(paths.config(device.places), JSON.stringify({ Security: security }));
    const { config, places } = device.options();
    return keySource({ config, places, log: silentLog, ...(passphrase === undefined ? {} : { passphrase }) });
  };
  const body = Buffer.from('{"id_data":"{}"}');

  it.each([
    ['rsa', { SSLEngine: 'pkcs11' }],
    ['ec', { SSLEngine: 'pkcs11' }],
    ['ec', {}],
  ])('UC-14 %s signs as the server verifies, %o', async (name, more) => {
    const key = await openKey(options({ AuthPrivateKey: uri(name), ...more }), silentLog);
    const own = createPublicKey(readFileSync(at(`${name}.key`), 'utf8'));
    expect(key.publicKey).toBe(own.export({ type: 'spki', format: 'pem' }));
    expect(verify('sha256', body, own, Buffer.from(await key.sign(body), 'base64'))).toBe(true);
  });

  it('UC-14 the PIN may come from --passphrase-file', async () => {
    const security = { AuthPrivateKey: uri('ec', ''), SSLEngine: 'pkcs11' };
    expect((await openKey(options(security, '1234'), silentLog)).publicKey).toContain('PUBLIC KEY');
    await expect(openKey(options(security, '9999'), silentLog)).rejects.toThrow('the PKCS#11 key cannot be used');
  });

  it('UC-5 UC-14 is never replaced, and a key that is not there or an engine that is not says so without the PIN', async () => {
    await expect(openKey(options({ AuthPrivateKey: uri('ec') }), silentLog, true)).rejects.toThrow('never replaced');
    const said = async (security: object) =>
      openKey(options(security), silentLog).then(
        () => 'opened',
        (error: Error) => error.message,
      );
    expect(await said({ AuthPrivateKey: uri('none'), SSLEngine: 'pkcs11' })).toMatch(
      /^the PKCS#11 key cannot be used: (?!.*1234)/,
    );
    expect(await said({ AuthPrivateKey: uri('ec'), SSLEngine: 'nothere' })).toContain('engine is not installed');
  });

  it('UC-14 a device authenticates with it', async () => {
    process.env['DBUS_SYSTEM_BUS_ADDRESS'] = 'unix:path=/nonexistent/bus';
    const server = await ScriptedServer.open();
    const stop = new AbortController();
    device.write(
      paths.config(device.places),
      JSON.stringify({ ServerURL: server.url, Security: { AuthPrivateKey: uri('ec'), SSLEngine: 'pkcs11' } }),
    );
    const client = runClient(device.options(new RigLog()), stop.signal);
    const call = await server.called(({ path }) => path === devicePaths.authRequest);
    stop.abort();
    await client;
    server.close();
    const signature = Buffer.from(String(call.headers[signatureHeader.toLowerCase()]), 'base64');
    expect(verify('sha256', Buffer.from(call.body), createPublicKey(readFileSync(at('ec.key'))), signature)).toBe(true);
    expect(existsSync(paths.key(device.places))).toBe(false);
  });

  it('UC-13 UC-14 a server that demands a client certificate gets one whose key is in the token', async () => {
    const server = https.createServer(
      {
        key: readFileSync(at('rsa.key')),
        cert: readFileSync(at('rsa.crt')),
        ca: readFileSync(at('ec.crt')),
        requestCert: true,
        rejectUnauthorized: true,
      },
      (request, response) => {
        const chunks: Buffer[] = [];
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => response.end(Buffer.concat(chunks)));
      },
    );
    server.listen(0, 'localhost');
    await once(server, 'listening');
    const url = `https://localhost:${(server.address() as AddressInfo).port}/`;
    const transport = (settings: object) => {
      device.write(paths.config(device.places), JSON.stringify(settings));
      return new Transport(loadConfig(device.places, {}, silentLog), {}, silentLog);
    };
    const HttpsClient = { Certificate: at('ec.crt'), Key: uri('ec'), SSLEngine: 'pkcs11' };
    try {
      const large = 'x'.repeat(300_000);
      const good = transport({ HttpsClient, ServerCertificate: at('rsa.crt') });
      expect(await textOf(await good.request(url, { method: 'POST', body: large }))).toBe(large);
      await expect(transport({ HttpsClient }).request(url)).rejects.toThrow(/self-signed certificate/);
      const other = url.replace('localhost', '127.0.0.1');
      await expect(good.request(other)).rejects.toThrow(/IP address mismatch/);
      const none = transport({ HttpsClient: { ...HttpsClient, Key: uri('none') }, ServerCertificate: at('rsa.crt') });
      await expect(none.request(url)).rejects.toThrow('TLS with a key in a token');
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
}
