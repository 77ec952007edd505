import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog, type Log } from '#base/log';
import { loadConfig } from '../config.ts';
import { RigLog } from '../rig/log.ts';
import { ScriptedServer, serveRange } from '../rig/server.ts';
import { Transport } from '../transport.ts';
import { download } from './download.ts';

const nowhere = { conf: '/nonexistent', share: '/nonexistent', store: '/nonexistent' };
// Days are shorter here than any network is fast: the floor is for the test that is about it.
const config = { ...loadConfig(nowhere, {}, silentLog), DownloadLowSpeedLimit: 0 };
const transport = new Transport(config, {}, silentLog);
const artifact = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));

let server: ScriptedServer;
beforeEach(async () => {
  server = await ScriptedServer.open();
  server.deployment = { id: 'd', artifact };
});
afterEach(() => server.close());

async function fetchAll(retries = 10, settings: object = {}, second = 0.01): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of fetching({ RetryDownloadCount: retries, ...settings }, second)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
function fetching(settings: object, second: number, log: Log = silentLog) {
  const signal = new AbortController().signal;
  const options = { transport, config: { ...config, ...settings }, clock: { second }, log, signal };
  return download(`${server.url}/artifact`, options);
}
/** Sends part of what is asked for, then breaks the connection. */
function cutEach(bytes: number): void {
  server.download = (request, response) => {
    const [, from = '0'] = /bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
    const start = Number(from);
    const rest = artifact.length - start;
    if (rest <= bytes) return serveRange(request, response, artifact);
    response.writeHead(request.headers.range ? 206 : 200, {
      'Content-Length': rest,
      'Content-Range': `bytes ${start}-${artifact.length - 1}/${artifact.length}`,
    });
    response.write(artifact.subarray(start, start + bytes), () => response.socket?.end());
  };
}

describe('a download', () => {
  it('UC-84 cut in the middle goes on at that byte', async () => {
    cutEach(50_000);
    expect((await fetchAll()).equals(artifact)).toBe(true);
    expect(server.calls.map((call) => call.headers.range)).toEqual([undefined, 'bytes=50000-99999']);
  });

  it('UC-85 as many cuts as allowed are survived, one more is not', async () => {
    cutEach(10_000);
    expect((await fetchAll(9)).equals(artifact)).toBe(true);
    await expect(fetchAll(8)).rejects.toThrow('broke 9 times');
  });

  it.each([
    ['200', { status: 200 }],
    ['416', { status: 416 }],
    ['another total', { status: 206, headers: { 'Content-Range': 'bytes 50000-99999/100001' } }],
    ['another start', { status: 206, headers: { 'Content-Range': 'bytes 0-99999/100000' } }],
  ])('UC-85 a resumption answered by %s fails', async (_, answer) => {
    cutEach(50_000);
    server.override = (call) => (call.headers.range ? answer : undefined);
    await expect(fetchAll()).rejects.toThrow('cannot go on at byte 50000');
  });

  it.each([403, 503])('UC-86 a first answer %i fails without another try', async (status) => {
    server.override = () => ({ status });
    await expect(fetchAll()).rejects.toThrow(`server answers ${status}`);
    expect(server.calls).toHaveLength(1);
  });

  it('UC-86 a server that cannot be reached is asked again', async () => {
    let refused = 0;
    server.http.prependListener('connection', (socket: { destroy(): void }) => {
      if (refused++ < 2) socket.destroy();
    });
    expect((await fetchAll()).equals(artifact)).toBe(true);
    expect(refused).toBe(3);
  });
});

describe('limits of a download', () => {
  /** Sends a byte now and then, for ever. */
  const drip = () => {
    server.download = (_, response) => {
      response.writeHead(200, { 'Content-Length': artifact.length });
      const timer = setInterval(() => response.write(Buffer.of(1)), 10);
      response.on('close', () => clearInterval(timer));
    };
  };

  it('one byte a second is a broken connection, which is said and counted', async () => {
    drip();
    server.override = (call) => (call.headers.range ? { status: 503 } : undefined);
    // A second of 10 ms: the server sends one byte in each, the floor is a hundred.
    await expect(fetchAll(10, { DownloadLowSpeedLimit: 100, DownloadLowSpeedSeconds: 5 }, 10)).rejects.toThrow(
      'cannot go on at byte',
    );
  });

  it('a reader that takes its time is no slow network', async () => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of fetching({ DownloadLowSpeedLimit: 1000, DownloadLowSpeedSeconds: 20 }, 1)) {
      chunks.push(chunk);
      await sleep(60);
    }
    expect(Buffer.concat(chunks).equals(artifact)).toBe(true);
    expect(server.calls).toHaveLength(1);
  });

  it('DownloadRateLimit is kept', async () => {
    const start = performance.now();
    // 100 000 bytes at 100 000 bytes a second of 200 ms.
    expect((await fetchAll(1, { DownloadRateLimit: 100_000 }, 200)).equals(artifact)).toBe(true);
    expect(performance.now() - start).toBeGreaterThan(195);
  });

  it('DownloadTimeoutSeconds ends it, waits included', async () => {
    drip();
    await expect(fetchAll(10, { DownloadTimeoutSeconds: 10 }, 10)).rejects.toThrow(
      'longer than DownloadTimeoutSeconds, 10 s',
    );
    server.download = (_, response) => response.destroy();
    await expect(fetchAll(10, { DownloadTimeoutSeconds: 10 }, 10)).rejects.toThrow(
      'longer than DownloadTimeoutSeconds',
    );
  });

  it('an announced size above DownloadSizeLimit is refused before a byte is read, an endless one when it passes it', async () => {
    await expect(fetchAll(1, { DownloadSizeLimit: 99_999 })).rejects.toThrow('DownloadSizeLimit is 99999');
    expect((await fetchAll(1, { DownloadSizeLimit: 100_000 })).length).toBe(100_000);
    server.download = (_, response) => {
      const timer = setInterval(() => response.write(artifact), 1);
      response.on('close', () => clearInterval(timer));
    };
    await expect(fetchAll(1, { DownloadSizeLimit: 1_000_000 })).rejects.toThrow('larger than DownloadSizeLimit');
  });

  it('redirects are not followed, so none can go in circles', async () => {
    server.override = () => ({ status: 302, headers: { Location: `${server.url}/artifact` } });
    await expect(fetchAll()).rejects.toThrow('server answers 302');
    expect(server.calls).toHaveLength(1);
  });
});

describe('DownloadCacheFolder', () => {
  let folder: string;
  let etag: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'patchbay-cache-'));
    etag = '"one"';
    server.download = (request, response, bytes) => {
      response.setHeader('ETag', etag);
      serveRange(request, response, bytes);
    };
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));
  const all = (log = new RigLog()) => fetchWith({ DownloadCacheFolder: join(folder, 'cache') }, log);
  async function fetchWith(settings: object, log: RigLog): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of fetching(settings, 0.01, log)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }
  const ranges = () => server.calls.map((call) => call.headers.range);
  /** Reads some of it, then stops as a failing update does. */
  async function part(bytes: number): Promise<void> {
    let read = 0;
    for await (const chunk of fetching({ DownloadCacheFolder: join(folder, 'cache') }, 0.01)) {
      read += chunk.length;
      if (read >= bytes) break;
    }
  }

  it('a download that a restart has ended goes on where it was', async () => {
    await part(20_000);
    expect((await all()).equals(artifact)).toBe(true);
    expect(ranges()[2]).toMatch(/^bytes=[1-9]\d*-99999$/);
    expect((await all()).equals(artifact)).toBe(true);
    expect(ranges()).toHaveLength(4); // the last time nothing but the headers was asked for
  });

  it('another file at the same address is fetched whole', async () => {
    await all();
    etag = '"two"';
    expect((await all()).equals(artifact)).toBe(true);
    expect(ranges()).toEqual([undefined, undefined]);
    server.deployment = { id: 'd', artifact: artifact.subarray(1) };
    expect((await all()).equals(artifact.subarray(1))).toBe(true);
  });

  it('is never trusted: what was changed on the disk is fetched anew', async () => {
    await all();
    const file = join(folder, 'cache', 'artifact');
    const bytes = readFileSync(file);
    bytes[5000]! ^= 1;
    writeFileSync(file, bytes);
    const log = new RigLog();
    expect((await all(log)).equals(artifact)).toBe(true);
    expect(log.text()).toContain('download cache is damaged');
  });

  it('what failed after it came out of the cache does not come out of it again', async () => {
    await all();
    await part(10);
    expect(existsSync(join(folder, 'cache', 'artifact'))).toBe(false);
    expect((await all()).equals(artifact)).toBe(true);
  });

  it('a server that names no version, or a folder that cannot be used, costs nothing but the cache', async () => {
    etag = 'W/"weak"';
    expect((await all()).equals(artifact)).toBe(true);
    expect(existsSync(join(folder, 'cache', 'artifact'))).toBe(false);
    writeFileSync(join(folder, 'file'), '');
    etag = '"one"';
    expect((await fetchWith({ DownloadCacheFolder: join(folder, 'file', 'x') }, new RigLog())).equals(artifact)).toBe(
      true,
    );
  });
});
