// `patchbay server` as an administrator runs it: its certificate, its end, its log.
import { once } from 'node:events';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeCertificate } from './stage/certificate.ts';
import { launcher, type Server, startServer } from './stage/server.ts';

let folder: string;
let server: Server;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-program-'));
});
afterEach(async () => {
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Sends a request on an open connection and reads the head of its answer. */
async function askOn(socket: TLSSocket): Promise<string> {
  const answer = once(socket, 'data');
  socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  return String((await answer)[0]);
}

it('a new certificate is taken while it runs: open connections go on, half a pair changes nothing (ask-41, ask-42)', async () => {
  const one = await makeCertificate(folder, 'one');
  const two = await makeCertificate(folder, 'two');
  const files = { cert: join(folder, 'live.pem'), key: join(folder, 'live.key') };
  const put = async (from: { cert: string; key: string }, what: 'cert' | 'key') => await cp(from[what], files[what]);
  await put(one, 'cert');
  await put(one, 'key');
  server = await startServer(folder, launcher, ['--tls-cert', files.cert, '--tls-key', files.key]);
  const port = Number(new URL(server.url).port);
  const open = async (): Promise<TLSSocket> => {
    const socket = connectTls({ host: '127.0.0.1', port, ca: [one.ca, two.ca] });
    await once(socket, 'secureConnect');
    return socket;
  };
  const name = (socket: TLSSocket) => socket.getPeerCertificate().subject.CN;
  const old = await open();
  expect(name(old)).toBe('one');
  expect(await askOn(old)).toMatch(/^HTTP\/1\.1 200 /);

  await put(two, 'cert');
  await server.program.said(/new certificate not usable, the old one stays/);
  const during = await open();
  expect(name(during)).toBe('one');

  await put(two, 'key');
  await server.program.said(/certificate replaced/);
  const fresh = await open();
  expect(name(fresh)).toBe('two');
  expect(await askOn(old)).toMatch(/^HTTP\/1\.1 200 /);
  for (const socket of [old, during, fresh]) socket.destroy();
});

it('told to stop, it finishes what is under way, takes nothing new, and ends with 0', async () => {
  server = await startServer(folder);
  const { port } = new URL(server.url);
  const idle = connect(Number(port), '127.0.0.1');
  idle.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(idle, 'data');
  const slow = connect(Number(port), '127.0.0.1');
  const body = '{"id_data":"{}","pubkey":"x"}';
  const head = 'POST /api/devices/v1/authentication/auth_requests HTTP/1.1\r\nHost: x\r\nX-MEN-Signature: x\r\n';
  slow.write(`${head}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`);
  // The server has the request: one that comes after it has been answered.
  expect((await fetch(`${server.url}/ready`)).status).toBe(200);
  const closed = once(idle, 'close');
  const ended = once(server.program.child, 'exit');
  server.program.child.kill('SIGTERM');
  await server.program.said(/server stopping/);
  await closed;
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
  const answer = text(slow);
  slow.write(body.slice(10));
  expect(await answer).toMatch(/^HTTP\/1\.1 400 [^]*"error":"invalid auth request/);
  expect((await ended)[0]).toBe(0);
});

it('what does not come to an end is cut after the time that it was given', async () => {
  server = await startServer(folder, launcher, ['--grace', '1']);
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.on('error', () => {});
  socket.write('POST /api/devices/v1/authentication/auth_requests HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n');
  expect((await fetch(`${server.url}/health`)).status).toBe(200);
  const begun = performance.now();
  expect(await server.stop()).toBe(0);
  expect(performance.now() - begun).toBeGreaterThan(900);
});
