import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bytesSource } from '#artifact';
import { deploymentsV1 } from '#proto/http/paths';
import { artifactFor, type Harness, locationId, openHarness } from '../deployments/harness.testing.ts';
import { attachment } from './download.ts';
import { artifactDownloadPath, linkLife, signLink } from './link.ts';
import { rangeOf } from '#base/range';

let server: Harness;
let id = '';
let artifact: Buffer;
beforeAll(async () => {
  server = await openHarness();
  artifact = await artifactFor('größe "1"', {
    payload: { type: 'x', provides: {}, depends: {}, files: [bytesSource('f', randomBytes(300_000))] },
  });
  id = locationId(await server.upload(artifact));
});
afterAll(() => server.close());

const link = async (): Promise<string> =>
  (await server.call('GET', `${deploymentsV1}/artifacts/${id}/download`)).json.uri;
const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

describe('a download link (server-api.md §1.5)', () => {
  it('gives the artifact to whoever has it, without a token', async () => {
    const { status, json } = await server.call('GET', `${deploymentsV1}/artifacts/${id}/download`);
    expect([status, json.method]).toEqual([200, 'GET']);
    const left = Date.parse(json.expire) - Date.now();
    expect(left).toBeGreaterThan(890_000);
    expect(left).toBeLessThanOrEqual(900_000);
    const response = await fetch(json.uri);
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'application/vnd.mender-artifact',
      'content-length': String(artifact.length),
      'accept-ranges': 'bytes',
      'content-disposition': `attachment; filename="gr__e _1_.mender"; filename*=UTF-8''gr%C3%B6%C3%9Fe%20%221%22.mender`,
      etag: `"${id}"`,
    });
    expect((await bytesOf(response)).equals(artifact)).toBe(true);
  });

  it('tells the size to HEAD, without the bytes', async () => {
    const response = await fetch(await link(), { method: 'HEAD' });
    expect([response.status, response.headers.get('content-length')]).toEqual([200, String(artifact.length)]);
    expect((await bytesOf(response)).length).toBe(0);
  });

  it('resumes where a device was cut off, and sends no byte too many', async () => {
    const uri = await link();
    const total = artifact.length;
    const cases: [string, number, number][] = [
      ['bytes=0-', 0, total - 1],
      ['bytes=1000-', 1000, total - 1],
      [`bytes=${total - 1}-`, total - 1, total - 1],
      ['bytes=10-19', 10, 19],
      [`bytes=10-${total + 5}`, 10, total - 1],
      ['bytes=-7', total - 7, total - 1],
      [`bytes=-${total + 9}`, 0, total - 1],
    ];
    for (const [range, start, end] of cases) {
      const response = await fetch(uri, { headers: { Range: range } });
      expect([
        range,
        response.status,
        response.headers.get('content-range'),
        response.headers.get('content-length'),
      ]).toEqual([range, 206, `bytes ${start}-${end}/${total}`, String(end - start + 1)]);
      expect((await bytesOf(response)).equals(artifact.subarray(start, end + 1))).toBe(true);
    }
  });

  it('says 416 past the end, and sends all where the range says nothing', async () => {
    const uri = await link();
    for (const range of [
      `bytes=${artifact.length}-`,
      'bytes=-0',
      `bytes=${artifact.length + 5}-${artifact.length + 9}`,
    ]) {
      const response = await fetch(uri, { headers: { Range: range } });
      expect([range, response.status, response.headers.get('content-range')]).toEqual([
        range,
        416,
        `bytes */${artifact.length}`,
      ]);
      expect(await response.text()).toBe('');
    }
    for (const range of [
      'bytes=',
      'bytes=-',
      'bytes=a-b',
      'lines=0-1',
      'bytes=5-2',
      'bytes=0-1,4-5',
      'bytes=99999999999999999999-',
    ]) {
      const response = await fetch(uri, { headers: { Range: range } });
      expect([range, response.status]).toEqual([range, 200]);
      expect((await bytesOf(response)).length).toBe(artifact.length);
    }
    const changed = await fetch(uri, { headers: { Range: 'bytes=5-', 'If-Range': '"other"' } });
    expect(changed.status).toBe(200);
    const same = await fetch(uri, { headers: { Range: 'bytes=5-', 'If-Range': `"${id}"` } });
    expect(same.status).toBe(206);
    await Promise.all([changed.arrayBuffer(), same.arrayBuffer()]);
  });

  it('is refused when it has expired, was altered, or was made by somebody else', async () => {
    const said = async (url: string) => {
      const response = await fetch(url);
      return [response.status, ((await response.json()) as { error: string }).error];
    };
    const path = `${artifactDownloadPath}/${id}`;
    const secret = server.deps.linkSecret;
    const old = signLink(secret, server.url, path, linkLife.user, { now: Date.now() - linkLife.user - 1 });
    expect(await said(old.uri)).toEqual([403, 'URL expired']);
    const good = new URL(await link());
    const altered = (change: (url: URL) => void) => {
      const url = new URL(good);
      change(url);
      return said(url.href);
    };
    const invalid = [403, 'signature invalid'];
    expect(await altered((url) => url.searchParams.set('expire', '2099-01-01T00:00:00.000Z'))).toEqual(invalid);
    expect(await altered((url) => url.searchParams.set('expire', 'never'))).toEqual(invalid);
    expect(await altered((url) => url.searchParams.set('signature', 'AAAA'))).toEqual(invalid);
    expect(await altered((url) => (url.pathname = `${artifactDownloadPath}/${randomUUID()}`))).toEqual(invalid);
    expect(await said(signLink(Buffer.from('other'), server.url, path, linkLife.user).uri)).toEqual(invalid);
    expect((await altered((url) => url.searchParams.delete('signature')))[0]).toBe(400);
    expect((await altered((url) => url.searchParams.delete('expire')))[0]).toBe(400);
    expect((await altered((url) => url.searchParams.append('expire', 'x')))[0]).toBe(400);
  });

  it('of an artifact that is gone is 404', async () => {
    const gone = randomUUID();
    const { uri } = signLink(server.deps.linkSecret, server.url, `${artifactDownloadPath}/${gone}`, linkLife.user);
    expect((await fetch(uri)).status).toBe(404);
  });

  it('lasts a day for devices', () => {
    const { expire } = signLink(server.deps.linkSecret, 'https://x', '/y', linkLife.device, { now: 0 });
    expect(expire).toBe('1970-01-02T00:00:00.000Z');
  });

  it('serves many at once, and those who go away do no harm', async () => {
    const uri = await link();
    const away = Array.from({ length: 10 }, async () => {
      const abort = new AbortController();
      const response = await fetch(uri, { signal: abort.signal });
      abort.abort();
      await response.arrayBuffer().catch(() => undefined);
    });
    const whole = Array.from({ length: 10 }, async () => (await bytesOf(await fetch(uri))).equals(artifact));
    await Promise.all(away);
    expect(await Promise.all(whole)).toEqual(whole.map(() => true));
  });
});

describe('a Range header', () => {
  it('of an empty file cannot be met', () => {
    expect(rangeOf('bytes=0-', 0)).toBe('unsatisfiable');
    expect(rangeOf(undefined, 0)).toBe('all');
  });
});

describe('the name of a download', () => {
  it('cannot end its header', () => {
    expect(attachment('a"b\r\nX: y%.mender')).toBe(
      `attachment; filename="a_b__X: y_.mender"; filename*=UTF-8''a%22b%0D%0AX%3A%20y%25.mender`,
    );
  });
});
