import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Blobs } from './blobs.ts';
import { openFolder } from './folder.ts';

let folder = '';
let blobs: Blobs;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-blobs-'));
  blobs = await openFolder(folder);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(text: string): Promise<string> {
  const id = randomUUID();
  const writer = await blobs.create(id);
  await writer.write(Buffer.from(text));
  await writer.commit();
  return id;
}

async function read(id: string, range?: { start: number; end: number }): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await blobs.open(id, range)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

describe('a folder of blobs', () => {
  it('keeps what was committed, whole and in parts', async () => {
    const id = await put('0123456789');
    expect(await read(id)).toBe('0123456789');
    expect(await read(id, { start: 3, end: 5 })).toBe('345');
    expect(await blobs.size(id)).toBe(10);
    expect(await blobs.list()).toEqual([id]);
    await blobs.remove(id);
    await blobs.remove(id);
    expect(await blobs.size(id)).toBeUndefined();
    await expect(blobs.open(id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('shows nothing before the commit, and nothing stays of what was aborted', async () => {
    const id = randomUUID();
    const writer = await blobs.create(id);
    await writer.write(Buffer.from('half'));
    expect(await blobs.size(id)).toBeUndefined();
    expect(await blobs.list()).toEqual([]);
    await expect(blobs.create(id)).rejects.toMatchObject({ code: 'EEXIST' });
    await writer.abort();
    await writer.abort();
    expect(await readdir(folder)).toEqual([]);
  });

  it('takes back a blob that was committed', async () => {
    const id = randomUUID();
    const writer = await blobs.create(id);
    await writer.commit();
    await writer.abort();
    expect(await readdir(folder)).toEqual([]);
  });

  it('forgets at the next start what a crash left half written', async () => {
    const id = await put('whole');
    await writeFile(join(folder, `${randomUUID()}.part`), 'half');
    await writeFile(join(folder, 'README'), 'of somebody');
    blobs = await openFolder(folder);
    expect((await readdir(folder)).sort()).toEqual([id, 'README'].sort());
    expect(await blobs.list()).toEqual([id]);
    expect(await readFile(join(folder, id), 'utf8')).toBe('whole');
  });

  it('never leaves its folder', async () => {
    for (const id of ['../x', '/etc/passwd', '', 'README', `${randomUUID()}/..`])
      await expect(blobs.create(id)).rejects.toMatchObject({ code: 'blob_id' });
  });
});
