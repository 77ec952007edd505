import { randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { deploymentsV1 } from '#proto/http/paths';
import { answerOf, artifactFor, type Harness, openHarness } from '../deployments/harness.testing.ts';
import { removeOrphans } from './removal.ts';

const base = `${deploymentsV1}/artifacts/directupload`;
let server: Harness;
beforeEach(async () => {
  server = await openHarness({ artifactSize: 1_000_000, storageLimit: 1_500_000 });
});
afterEach(() => server.close());

interface Link {
  readonly id: string;
  readonly uri: string;
  readonly method: string;
}
const link = async (): Promise<Link> => (await server.call('POST', base)).json as Link;
const put = (uri: string, bytes: Uint8Array, init: RequestInit = {}) =>
  fetch(uri, { method: 'PUT', body: new Uint8Array(bytes), ...init }).then(answerOf);
const complete = (id: string, body?: unknown) => server.call('POST', `${base}/${id}/complete`, body);
const stored = () => readdir(join(server.folder, 'artifacts'));

describe('a direct upload (server-api.md §2.2)', () => {
  it('goes to a link of this server without a token, and is an artifact once it is complete', async () => {
    const artifact = await artifactFor('r1');
    const { id, uri, method } = await link();
    expect([method, uri.startsWith(`${server.url}${base}/${id}?`)]).toEqual(['PUT', true]);
    expect((await complete(id)).status).toBe(404);
    expect((await put(uri, artifact)).status).toBe(200);
    expect((await server.call('GET', `${deploymentsV1}/artifacts/${id}`)).status).toBe(404);
    expect((await complete(id, { size: artifact.length, updates: [] })).status).toBe(202);
    const { json } = await server.call('GET', `${deploymentsV1}/artifacts/${id}`);
    expect(json).toMatchObject({ id, name: 'r1', size: artifact.length, device_types_compatible: ['qemu'] });
    const down = await server.call('GET', `${deploymentsV1}/artifacts/${id}/download`);
    const bytes = Buffer.from(await (await fetch((down.json as Link).uri)).arrayBuffer());
    expect(bytes.equals(artifact)).toBe(true);
    expect((await complete(id)).status).toBe(404);
    expect(server.audited.map(({ action, result }) => `${action} ${result}`)).toContain('artifact_direct_upload ok');
    expect(server.told).toContainEqual(['release', { name: 'r1' }]);
  });

  it('is taken once, and nothing else than an artifact is', async () => {
    const { id, uri } = await link();
    expect(await put(uri, Buffer.from('no artifact'))).toMatchObject({
      status: 400,
      json: { error: /cannot be taken/ },
    });
    expect(await stored()).toEqual([]);
    expect((await put(uri, await artifactFor('r1'))).status).toBe(200);
    expect((await put(uri, await artifactFor('r2'))).status).toBe(409);
    expect((await complete(id, { size: 1 })).status).toBe(400);
    expect((await complete(id)).status).toBe(202);
    expect((await put(uri, await artifactFor('r1'))).status).toBe(404);
  });

  it('two at once to one link: one is taken', async () => {
    const { id, uri } = await link();
    const big = [await artifactFor('r1', { filler: 300_000 }), await artifactFor('r2', { filler: 300_000 })];
    const statuses = await Promise.all(big.map(async (bytes) => (await put(uri, bytes)).status));
    expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 409]);
    expect((await complete(id)).status).toBe(202);
  });

  it('a link of somebody else, for something else, or too old is refused', async () => {
    const artifact = await artifactFor('r1');
    const { id, uri } = await link();
    const other = await link();
    expect(
      (await put(uri.replace(/signature=[^&]+/, `signature=${randomBytes(32).toString('base64url')}`), artifact))
        .status,
    ).toBe(403);
    expect((await put(uri.replace(id, other.id), artifact)).status).toBe(403);
    expect((await put(uri.replace(/expire=[^&]+/, 'expire=2999-01-01T00:00:00.000Z'), artifact)).status).toBe(403);
    expect((await put(uri.split('?')[0]!, artifact)).status).toBe(400);
    // A link to download is none to put to.
    expect((await put(uri, artifact)).status).toBe(200);
    await complete(id);
    const down = (await server.call('GET', `${deploymentsV1}/artifacts/${id}/download`)).json as Link;
    const query = new URL(down.uri).search;
    expect((await put(`${server.url}${base}/${id}${query}`, artifact)).status).toBe(403);
  });

  it('an artifact that is there already is a conflict, before its bytes are all here or when it is complete', async () => {
    const artifact = await artifactFor('r1');
    const [one, two, three] = [await link(), await link(), await link()];
    for (const { uri } of [one, two]) expect((await put(uri, artifact)).status).toBe(200);
    expect((await complete(one.id)).status).toBe(202);
    expect((await complete(two.id)).status).toBe(409);
    expect((await put(three.uri, artifact)).status).toBe(409);
    expect(await stored()).toEqual([one.id]);
  });

  it('that waits survives a restart; one that nobody completes goes after two hours', async () => {
    const [kept, late] = [await link(), await link()];
    await put(kept.uri, await artifactFor('r1'));
    await put(late.uri, await artifactFor('r2'));
    expect(await removeOrphans(server.db, server.blobs)).toBe(0);
    await server.db
      .updateTable('direct_uploads')
      .set({ expires: new Date(Date.now() - 3_700_000).toISOString() })
      .where('id', '=', late.id)
      .execute();
    await link();
    expect(await stored()).toEqual([kept.id]);
    expect((await complete(late.id)).status).toBe(404);
    expect((await complete(kept.id)).status).toBe(202);
  });
});

describe('the room for artifacts', () => {
  const limit = async () => (await server.call('GET', `${deploymentsV1}/limits/storage`)).json as unknown;

  it('is limited, and whoever is over it is told by how much; what goes makes room', async () => {
    const big = await artifactFor('r1', { filler: 900_000 });
    expect(await limit()).toEqual({ limit: 1_500_000, usage: 0 });
    expect((await server.upload(big)).status).toBe(201);
    expect(await limit()).toEqual({ limit: 1_500_000, usage: big.length });
    const other = await artifactFor('r2', { filler: 900_000 });
    expect(await server.upload(other)).toMatchObject({
      status: 413,
      json: {
        error: `no room: artifacts may take 1500000 bytes together, and ${big.length} are used; remove some that are not needed`,
      },
    });
    const { uri } = await link();
    expect((await put(uri, other)).status).toBe(413);
    const [id] = await stored();
    expect((await stored()).length).toBe(1);
    expect((await server.call('DELETE', `${deploymentsV1}/artifacts/${id}`)).status).toBe(204);
    expect((await put(uri, other)).status).toBe(200);
    expect(await limit()).toEqual({ limit: 1_500_000, usage: other.length });
  });

  it('is not overdrawn by several at once', async () => {
    const all = await Promise.all(['r1', 'r2', 'r3'].map((name) => artifactFor(name, { filler: 700_000 })));
    await Promise.all(all.map((bytes) => server.upload(bytes)));
    const sizes = await Promise.all(
      (await stored()).map(async (id) => (await stat(join(server.folder, 'artifacts', id))).size),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1_500_000);
    // What was refused holds no room any more.
    for (const id of await stored()) await server.call('DELETE', `${deploymentsV1}/artifacts/${id}`);
    expect((await server.upload(await artifactFor('r4', { filler: 900_000 }))).status).toBe(201);
  });

  it('a file that is to become an artifact counts as well', async () => {
    const form = new FormData();
    const args = JSON.stringify({ filename: 'f', dest_dir: '/d' });
    const fields = { name: 'g', device_types_compatible: 'x', type: 'single_file', args };
    for (const [name, value] of Object.entries(fields)) form.set(name, value);
    form.set('file', new Blob([new Uint8Array(randomBytes(1_600_000))]), 'f');
    expect((await server.call('POST', `${deploymentsV1}/artifacts/generate`, form)).status).toBe(413);
    expect(await stored()).toEqual([]);
  });
});
