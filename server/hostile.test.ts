// What somebody tries who means no good; each way once at least, by its name.
import { createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artifactBytes, bytesSource } from '#artifact';
import { openStore } from './store/store.ts';
import { stage, type Stage } from './stage.ts';

let server: Stage;
let token = '';
beforeAll(async () => {
  server = await stage();
  token = await server.login();
});
afterAll(() => server.close());

/** A request in exactly these bytes, and all of its answer. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(server.server.port, '127.0.0.1');
  socket.write(bytes, 'latin1');
  return await text(socket);
}
const me = '/api/management/v1/useradm/users/me';

describe('path traversal', () => {
  it.each([
    '/../../../../etc/passwd',
    '/assets/../../package.json',
    '/assets/..%2f..%2fpackage.json',
    '/assets/%2e%2e/%2e%2e/package.json',
    '/assets/..%5c..%5cpackage.json',
    '/assets/%00/../package.json',
    '//etc/passwd',
    '/%2fetc%2fpasswd',
    '/.git/config',
  ])('GET %s gives no file from elsewhere', async (path) => {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).not.toMatch(/root:x:|"workspaces"|"dependencies"|\[core\]/);
    expect(answer).toMatch(/^HTTP\/1\.1 [24]/);
  });

  it.each(['../../../etc/x', '..', '/etc/x', 'a/b', 'x\u0000y'])(
    'a file called %j becomes no artifact that leaves its folder',
    async (filename) => {
      const form = new FormData();
      const args = JSON.stringify({ filename, dest_dir: '/d' });
      const fields = { name: 'r', device_types_compatible: 'x', type: 'single_file', args };
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      form.set('file', new Blob(['x']), 'f');
      const response = await fetch(`${server.url}/api/management/v1/deployments/artifacts/generate`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}` },
        body: form,
      });
      expect(response.status).toBe(400);
    },
  );
});

describe('prototype pollution', () => {
  const evil = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":"b"}';
  const headers = { 'content-type': 'application/json' };

  it('keys that are none of ours stay text, in every body and query', async () => {
    const { token: device } = await server.addDevice();
    const inventory = '[{"name":"__proto__","value":"x"},{"name":"constructor","value":"y"}]';
    const calls: [string, string, string, string][] = [
      ['POST', '/api/management/v1/useradm/settings', token, evil],
      ['POST', '/api/management/v2/inventory/filters/search', token, evil],
      ['PUT', '/api/devices/v1/inventory/device/attributes', device, inventory],
      ['PUT', '/api/devices/v1/deviceconfig/configuration', device, '{"__proto__":"x"}'],
      [
        'POST',
        '/api/devices/v2/deployments/device/deployments/next',
        device,
        '{"device_provides":{"device_type":"a","artifact_name":"b","__proto__":"x"}}',
      ],
    ];
    for (const [method, path, as, body] of calls)
      expect((await server.call(method, path, { token: as, raw: body, headers })).status, path).toBeLessThan(500);
    for (const query of ['__proto__=1', '__proto__[polluted]=1', 'constructor[prototype][polluted]=1', 'toString=1'])
      expect(
        (await server.call('GET', `/api/management/v1/inventory/devices?${query}`, { token })).status,
        query,
      ).toBeLessThan(500);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect((await server.call('GET', me, { token })).body).not.toHaveProperty('polluted');
  });

  it('settings give such keys back as they came', async () => {
    const path = '/api/management/v1/useradm/settings/me';
    expect((await server.call('POST', path, { token, raw: '{"__proto__":"x","a":"b"}', headers })).status).toBe(201);
    expect((await server.call('GET', path, { token })).text).toMatch(/"a":"b"/);
  });
});

describe('header injection', () => {
  it('a name with quotes and letters that are none of ASCII makes no other header of its own', async () => {
    // Line ends get into no artifact's name: its format refuses what cannot be printed.
    const name = 'r1"; filename="evil.sh"; x=%0d%0aX-Evil: \u00e9\u{1f600}';
    const payload = { type: 'single-file', provides: {}, depends: {}, clears: [], files: [bytesSource('f', 'x')] };
    const bytes = await artifactBytes({ name, depends: { device_type: ['x'] }, payload, compression: 'none' });
    const form = new FormData();
    form.set('artifact', new Blob([new Uint8Array(bytes)]), 'x.mender');
    const artifacts = `${server.url}/api/management/v1/deployments/artifacts`;
    const headers = { authorization: `Bearer ${token}` };
    const { status, headers: made } = await fetch(artifacts, { method: 'POST', headers, body: form });
    expect(status).toBe(201);
    const id = made.get('location')?.split('/').at(-1);
    const link = (await (await fetch(`${artifacts}/${id}/download`, { headers })).json()) as { uri: string };
    const answer = await raw(
      `GET ${link.uri.slice(server.url.length)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
    expect(answer.split('\r\n\r\n', 1)[0]).not.toMatch(/^X-Evil/im);
    expect(/^Content-Disposition: (.*)$/im.exec(answer)?.[1]).toMatch(
      /^attachment; filename="[^"]*"; filename\*=UTF-8''[\w%.~-]*\r?$/,
    );
  });

  it('a page’s address goes into Link with its line ends encoded', async () => {
    const path = '/api/management/v1/inventory/devices?x=%0d%0aX-Evil:%20yes';
    const answer = await raw(
      `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).not.toMatch(/^X-Evil/im);
  });

  it('a request id with a line end is not given back', async () => {
    const answer = await raw('GET /health HTTP/1.1\r\nHost: x\r\nX-MEN-RequestID: a\tb\r\nConnection: close\r\n\r\n');
    expect(answer).toMatch(/X-MEN-RequestID: [0-9a-f-]{36}\r\n/);
  });

  it('requests that two readers could take apart in two ways are refused (smuggling)', async () => {
    const both = 'POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n';
    expect(await raw(both)).toMatch(/^HTTP\/1\.1 400 /);
    const spaced = 'GET /health HTTP/1.1\r\nHost : x\r\n\r\n';
    expect(await raw(spaced)).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe('algorithm confusion in tokens', () => {
  const base64 = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

  it('none is taken that the public key signed as a secret, that brings its key along, or names a file as its key', async () => {
    const [, payload = ''] = token.split('.');
    const db = await openStore(server.data, server.database);
    const { value } = await db
      .selectFrom('secrets')
      .select('value')
      .where('name', '=', 'token-key')
      .executeTakeFirstOrThrow();
    await db.destroy();
    const publicKey = createPublicKey(value);
    const forged: string[] = [];
    // The server's public key is no secret: whoever takes the algorithm from the token would check with it.
    for (const key of [
      publicKey.export({ type: 'spki', format: 'pem' }),
      publicKey.export({ type: 'spki', format: 'der' }),
      Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url'),
      Buffer.alloc(0),
    ])
      for (const header of [
        { alg: 'HS256', typ: 'JWT', kid: 1 },
        { alg: 'HS256', typ: 'JWT', kid: '../../../../dev/null' },
      ]) {
        const signed = `${base64(header)}.${payload}`;
        forged.push(`${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`);
      }
    const own = generateKeyPairSync('ed25519');
    for (const header of [
      { alg: 'EdDSA', jwk: own.publicKey.export({ format: 'jwk' }) },
      { alg: 'EdDSA', jku: 'http://127.0.0.1:9/keys' },
      { alg: 'EdDSA', kid: "1' or '1'='1" },
      { alg: 'EdDSA', crit: ['x'], x: 1 },
    ]) {
      const signed = `${base64(header)}.${payload}`;
      forged.push(`${signed}.${sign(null, Buffer.from(signed), own.privateKey).toString('base64url')}`);
    }
    for (const alg of ['none', 'None', 'NONE', '', 'ES256', null])
      forged.push(`${base64({ alg })}.${payload}.`, `${base64({ alg })}.${payload}.${token.split('.')[2]}`);
    for (const bad of forged) expect((await server.call('GET', me, { token: bad })).status, bad.slice(0, 80)).toBe(401);
    expect((await server.call('GET', me, { token })).status).toBe(200);
  });
});
