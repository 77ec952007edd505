import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer as createPlainServer } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { person } from './bench.testing.ts';

test('a certificate that nobody vouches for is refused in words, and taken only with --insecure', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-tls-'));
  const [key, cert] = [join(folder, 'key'), join(folder, 'cert')];
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=x'];
  await promisify(execFile)('openssl', [...request, '-keyout', key, '-out', cert]);
  const server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (_, response) =>
    response.end(JSON.stringify({ id: 'u', email: 'ada@example.com' })),
  );
  await rm(folder, { recursive: true });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const env = { server: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 't' };
  await using ada = await person();
  try {
    const refused = await ada.call(['whoami'], env);
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(
      /^error: the certificate of 127\.0\.0\.1:\d+ is not trusted \(.*\): name its CA in .*\n$/,
    );
    expect((await ada.call(['whoami', '--insecure'], env)).out).toMatch(/^ada@example\.com at https:/);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('https to a server that speaks http is said in words, without those of OpenSSL', async () => {
  const server = createPlainServer((_, response) => response.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using ada = await person();
  try {
    const { code, err } = await ada.call(['whoami'], { server: url, token: 't' });
    expect({ code, err }).toEqual({
      code: 1,
      err: `error: cannot reach ${url}: it does not speak TLS as we do: is it an http:// server?\n`,
    });
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});
