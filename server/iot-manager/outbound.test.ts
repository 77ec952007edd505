import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { networksOf } from '../http/proxies.ts';
import { Outbound } from './outbound.ts';

const nobody = networksOf('x', '');
const here = networksOf('x', '127.0.0.1');

describe('a URL that somebody gave us (CVE-2022-29556)', () => {
  it.each([
    'http://127.0.0.1/',
    'http://127.1/',
    'http://0x7f000001/',
    'http://2130706433/',
    'http://017700000001/',
    'http://0.0.0.0/',
    'http://10.1.2.3/',
    'http://100.64.0.1/',
    'http://169.254.169.254/latest/meta-data',
    'http://172.31.255.255/',
    'http://192.168.0.1/',
    'http://224.0.0.1/',
    'http://255.255.255.255/',
    'http://[::]/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[::ffff:8.8.8.8]/',
    'http://[::127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[2002:7f00:1::]/',
    'http://[fd00::1]/',
    'http://[fe80::1]/',
    'http://[fec0::1]/',
    'http://[ff02::1]/',
  ])('%s is refused: a private or reserved address', (url) => {
    expect(() => new Outbound(nobody).check(url)).toThrow(/private or reserved address/);
  });

  it.each([
    ['ftp://example.com/', /http:/],
    ['file:///etc/passwd', /http:/],
    ['//example.com', /not a URL/],
    ['http://user:word@example.com/', /user or password/],
    ['javascript:alert(1)', /http:/],
  ])('%s is refused', (url, why) => {
    expect(() => new Outbound(nobody).check(url)).toThrow(why);
  });

  it.each(['https://8.8.8.8/x', 'http://[2606:4700::1111]/', 'https://hooks.example.com:8443/a?b'])(
    '%s is taken',
    (url) => {
      expect(new Outbound(nobody).check(url).href).toBe(url);
    },
  );
});

/** A server that notes what it gets, and answers with this status. */
async function listening(status: number, headers: Record<string, string> = {}) {
  const got: { req: IncomingMessage; body: string }[] = [];
  const server = createServer((req, res) => {
    void (async () => {
      got.push({ req, body: await text(req) });
      res.writeHead(status, headers).end('x'.repeat(1000));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { got, port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: async () => void server.close() };
}

describe('a request to it', () => {
  it('goes where the name was found to lead, which is looked up once', async () => {
    await using target = await listening(204);
    let asked = 0;
    await using outbound = new Outbound(here, async () => {
      asked++;
      return [{ address: '127.0.0.1', family: 4 }];
    });
    expect(await outbound.post(`http://hooks.example:${target.port}/a`, {}, '{}')).toBe(204);
    expect([asked, target.got[0]?.body, target.got[0]?.req.headers.host]).toEqual([
      1,
      '{}',
      `hooks.example:${target.port}`,
    ]);
  });

  it('does not go to a name that leads inside, whatever else it leads to', async () => {
    await using target = await listening(204);
    for (const addresses of [['127.0.0.1'], ['8.8.8.8', '127.0.0.1'], ['::ffff:7f00:1'], ['fd00::1']]) {
      const found = addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
      await using outbound = new Outbound(nobody, async () => found);
      await expect(outbound.post(`http://turned.example:${target.port}/`, {}, '')).rejects.toThrow(
        /turned.example is at .*, a private or reserved address/,
      );
    }
    expect(target.got).toEqual([]);
  });

  it('takes a redirect for an answer', async () => {
    await using inside = await listening(200);
    await using target = await listening(307, { location: `http://127.0.0.1:${inside.port}/` });
    await using outbound = new Outbound(here);
    expect(await outbound.post(`http://127.0.0.1:${target.port}/`, {}, '')).toBe(307);
    expect(inside.got).toEqual([]);
  });

  it('waits no longer than it was told', async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await using outbound = new Outbound(here, undefined, 100);
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    await expect(outbound.post(url, {}, '')).rejects.toThrow();
    server.closeAllConnections();
    server.close();
  });
});
