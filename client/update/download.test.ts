import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '#base/log';
import { loadConfig } from '../config.ts';
import { ScriptedServer, serveRange } from '../rig/server.ts';
import { Transport } from '../transport.ts';
import { download } from './download.ts';

const nowhere = { conf: '/nonexistent', share: '/nonexistent', store: '/nonexistent' };
const transport = new Transport(loadConfig(nowhere, {}, silentLog), {}, silentLog);
const artifact = Buffer.from(Array.from({ length: 100_000 }, (_, index) => index % 251));

let server: ScriptedServer;
beforeEach(async () => {
  server = await ScriptedServer.open();
  server.deployment = { id: 'd', artifact };
});
afterEach(() => server.close());

async function fetchAll(retries = 10): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  const signal = new AbortController().signal;
  const options = { transport, retries, clock: { second: 0.01 }, log: silentLog, signal };
  for await (const chunk of download(`${server.url}/artifact`, options)) chunks.push(chunk);
  return Buffer.concat(chunks);
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
