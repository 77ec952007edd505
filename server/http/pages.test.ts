import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import express from 'express';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { pages } from './pages.ts';

let folder: string;
let server: Server;
let url: string;
const script = `console.log('${'patchbay '.repeat(50)}')`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-pages-'));
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>Patchbay</title>');
  await writeFile(join(folder, 'assets', 'a-1.js'), script);
  await writeFile(join(folder, 'assets', 'a-1.js.gz'), gzipSync(script));
  await writeFile(join(folder, 'assets', 'plain-1.js'), script);
  const app = express();
  pages(app, folder);
  server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await rm(folder, { recursive: true, force: true });
});

const get = (path: string, encoding: string) => fetch(`${url}${path}`, { headers: { 'accept-encoding': encoding } });

it('a script goes out compressed to a browser that reads that, and as it is to one that does not', async () => {
  const packed = await get('/assets/a-1.js', 'gzip, br');
  expect(packed.headers.get('content-encoding')).toBe('gzip');
  expect(packed.headers.get('content-type')).toMatch(/javascript/);
  expect(packed.headers.get('cache-control')).toMatch(/immutable/);
  expect(packed.headers.get('vary')).toMatch(/accept-encoding/i);
  expect(await packed.text()).toBe(script);
  const plain = await get('/assets/a-1.js', 'identity');
  expect(plain.headers.get('content-encoding')).toBeNull();
  expect(await plain.text()).toBe(script);
  expect(await (await get('/assets/plain-1.js', 'gzip')).text()).toBe(script);
});

it('an address of the page is the page, an asset that is not there is not', async () => {
  for (const path of ['/', '/devices/1', '/releases/v1.2.3'])
    expect(await (await get(path, 'gzip')).text()).toMatch(/Patchbay/);
  expect((await get('/assets/gone-1.js', 'gzip')).status).toBe(404);
  expect((await get('/assets/..%2f..%2fetc%2fpasswd', 'gzip')).status).toBeGreaterThanOrEqual(400);
});
