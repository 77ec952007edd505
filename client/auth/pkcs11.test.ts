import { createPublicKey, verify } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { silentLog } from '#base/log';
import { devicePaths, signatureHeader } from '#proto/http/device';
import { loadConfig } from '../config.ts';
import { keySource } from '../daemon.ts';
import { paths } from '../places.ts';
import { RigDevice } from '../rig/device.ts';
import { RigRun } from '../rig/run.ts';
import { providerMissing, SoftToken, tokenMissing } from '../rig/token.ts';
import { describeWhere } from '#base/where.testing';
import { textOf, Transport } from '../transport.ts';
import { openKey } from './key.ts';

describeWhere('a device key in a PKCS#11 token', tokenMissing(), () => {
  let device: RigDevice;
  let token: SoftToken;
  beforeAll(() => {
    device = new RigDevice({});
    token = new SoftToken(['rsa', 'ec']);
  });
  afterAll(() => {
    token[Symbol.dispose]();
    device[Symbol.dispose]();
  });
  const at = (name: string) => token.at(name);
  const uri = (key: string, pin?: string) => token.uri(key, pin);

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
    expect(await said({ AuthPrivateKey: uri('ec'), SSLEngine: 'nothere' })).toBe(
      'the PKCS#11 key cannot be used: its OpenSSL engine is not installed (Debian: libengine-pkcs11-openssl)',
    );
    expect(await said({ AuthPrivateKey: uri('none') })).toMatch(
      /^the .* used: provider: .*; engine pkcs11: (?!.*1234)/,
    );
  });

  it('UC-14 a device authenticates with it', async () => {
    await using rig = await RigRun.open();
    rig.device.write(
      paths.config(rig.device.places),
      JSON.stringify({ ServerURL: rig.server.url, Security: { AuthPrivateKey: uri('ec'), SSLEngine: 'pkcs11' } }),
    );
    rig.start();
    const call = await rig.server.called(({ path }) => path === devicePaths.authRequest);
    await rig.stop();
    const signature = Buffer.from(String(call.headers[signatureHeader.toLowerCase()]), 'base64');
    expect(verify('sha256', Buffer.from(call.body), createPublicKey(readFileSync(at('ec.key'))), signature)).toBe(true);
    expect(existsSync(paths.key(rig.device.places))).toBe(false);
  });

  it('UC-13 UC-14 a server that demands a client certificate gets one whose key is in the token', async () => {
    await using server = await Demanding.listen(token);
    const large = 'x'.repeat(300_000);
    for (const more of [{ SSLEngine: 'pkcs11' }, {}]) {
      const HttpsClient = { Certificate: at('ec.crt'), Key: uri('ec'), ...more };
      const good = transport({ HttpsClient, ServerCertificate: at('rsa.crt') });
      expect(await textOf(await good.request(server.url, { method: 'POST', body: large }))).toBe(large);
      await expect(transport({ HttpsClient }).request(server.url)).rejects.toThrow(/self-signed certificate/);
      const other = server.url.replace('localhost', '127.0.0.1');
      await expect(good.request(other)).rejects.toThrow(/IP address mismatch/);
      const none = transport({ HttpsClient: { ...HttpsClient, Key: uri('none') }, ServerCertificate: at('rsa.crt') });
      await expect(none.request(server.url)).rejects.toThrow('TLS with a key in a token');
    }
  });

  function transport(settings: object): Transport {
    device.write(paths.config(device.places), JSON.stringify(settings));
    return new Transport(loadConfig(device.places, {}, silentLog), {}, silentLog);
  }

  describeWhere('reached by a provider of OpenSSL, where there is no engine', providerMissing(), () => {
    beforeAll(() => token.provider(['rsa', 'ec', 'ed25519']));

    it.each(['rsa', 'ec', 'ed25519'])('UC-14 %s signs as the server verifies', async (name) => {
      const key = await openKey(options({ AuthPrivateKey: uri(name) }), silentLog);
      const own = createPublicKey(readFileSync(at(`${name}.pub`), 'utf8'));
      expect(key.publicKey).toBe(own.export({ type: 'spki', format: 'pem' }));
      const signature = Buffer.from(await key.sign(body), 'base64');
      expect(verify(name === 'ed25519' ? null : 'sha256', body, own, signature)).toBe(true);
    });

    it('UC-14 the PIN may come from --passphrase-file; a wrong one, or a key that is not there, is said', async () => {
      const security = { AuthPrivateKey: uri('ec', '') };
      expect((await openKey(options(security, '1234'), silentLog)).publicKey).toContain('PUBLIC KEY');
      await expect(openKey(options(security, '9999'), silentLog)).rejects.toThrow('the PKCS#11 key cannot be used');
      const none = openKey(options({ AuthPrivateKey: uri('none') }), silentLog);
      await expect(none).rejects.toThrow(/^the PKCS#11 key cannot be used: (?!.*1234)/);
    });

    it('UC-13 UC-14 a server that demands a client certificate gets one', async () => {
      await using server = await Demanding.listen(token);
      const HttpsClient = { Certificate: at('ec.crt'), Key: uri('ec') };
      const reply = await transport({ HttpsClient, ServerCertificate: at('rsa.crt') }).request(server.url);
      expect(reply.status).toBe(200);
      reply.body.destroy();
      // The engine that is named is the one that is taken.
      const named = { HttpsClient: { ...HttpsClient, SSLEngine: 'pkcs11' }, ServerCertificate: at('rsa.crt') };
      await expect(transport(named).request(server.url)).rejects.toThrow('TLS with a key in a token');
    });

    it('UC-14 OpenSSL is asked once who has the key, and again after a failure: a token may be plugged in later', async () => {
      await using server = await Demanding.listen(token);
      const [bin, asked] = [at('bin'), at('asked')];
      device.write(
        join(bin, 'openssl'),
        `#!/bin/sh\necho "$1" >>'${asked}'\nPATH='${process.env['PATH']}' exec openssl "$@"\n`,
        0o755,
      );
      process.env['PATH'] = `${bin}:${process.env['PATH']}`;
      const questions = () =>
        readFileSync(asked, 'utf8')
          .split('\n')
          .filter((command) => command === 'pkey').length;
      const settings = { HttpsClient: { Certificate: at('ec.crt'), Key: uri('ec') }, ServerCertificate: at('rsa.crt') };
      const client = transport(settings);
      const works = async () => void (await textOf(await client.request(server.url, { method: 'POST', body: 'x' })));
      await Promise.all([works(), works()]);
      await works();
      expect(questions()).toBe(1);
      renameSync(at('ec.der'), at('unplugged'));
      await expect(client.request(server.url)).rejects.toThrow('TLS with a key in a token');
      await expect(client.request(server.url)).rejects.toThrow('TLS with a key in a token');
      renameSync(at('unplugged'), at('ec.der'));
      await works();
      await works();
      expect(questions()).toBe(3);
    });
  });
});

/** Says what it was told, to who shows the certificate of the key `ec`. */
class Demanding implements AsyncDisposable {
  readonly #server: https.Server;
  private constructor(server: https.Server) {
    this.#server = server;
  }

  static async listen(token: SoftToken): Promise<Demanding> {
    const [cert, ca] = [readFileSync(token.certificate('rsa')), readFileSync(token.certificate('ec'))];
    const key = readFileSync(token.at('rsa.key'));
    const server = https.createServer({ key, cert, ca, requestCert: true }, (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => response.end(Buffer.concat(chunks)));
    });
    server.listen(0, 'localhost');
    await once(server, 'listening');
    return new Demanding(server);
  }

  get url(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
