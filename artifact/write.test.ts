import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  artifactBytes,
  bytesSource,
  compressions,
  fileSource,
  keySigner,
  openArtifact,
  writeArtifact,
} from './index.ts';
import type { ArtifactSpec, ReadOptions } from './index.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'artifact-write-'));
});
afterAll(() => rm(folder, { recursive: true }));

const image = Buffer.concat([
  Buffer.alloc(300_000, 'a text that repeats '),
  randomBytes(200_000),
  Buffer.alloc(100_000),
]);

function rootfs(overrides: Partial<ArtifactSpec> = {}): ArtifactSpec {
  return {
    name: 'release-1',
    depends: { device_type: ['board-a'] },
    payload: {
      type: 'rootfs-image',
      provides: { 'rootfs-image.version': 'release-1' },
      depends: {},
      clears: ['rootfs-image.*'],
      checksumKey: 'rootfs-image.checksum',
      files: [bytesSource('root.img', image)],
    },
    ...overrides,
  };
}

async function readBack(source: AsyncIterable<Uint8Array>, options: ReadOptions = {}) {
  const artifact = await openArtifact(source, options);
  const files: Record<string, Buffer> = {};
  for await (const { name, content } of artifact.files()) files[name] = Buffer.concat(await Array.fromAsync(content));
  return { header: artifact.header, files };
}

async function* bytes(content: Uint8Array) {
  yield content;
}

describe.each(compressions)('compression %s', (compression) => {
  test('a rootfs image that is written to a file is read back, and provides its checksum', async () => {
    const path = join(folder, `${compression}.mender`);
    const { files } = await writeArtifact(rootfs({ compression }), path);
    const back = await readBack(createReadStream(path));
    expect(back.files).toEqual({ 'root.img': image });
    expect(back.header.payload.provides).toEqual({
      'rootfs-image.checksum': files[0]?.checksum,
      'rootfs-image.version': 'release-1',
    });
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  test('the same input gives the same bytes, in a file, on a stream and in memory', async () => {
    const path = join(folder, `${compression}-2.mender`);
    await writeArtifact(rootfs({ compression }), path);
    const stream = new PassThrough();
    const collected = Array.fromAsync(stream);
    await writeArtifact(rootfs({ compression }), stream);
    stream.end();
    const once = await artifactBytes(rootfs({ compression }));
    expect(Buffer.concat((await collected) as Buffer[]).equals(once)).toBe(true);
    expect(Buffer.concat(await Array.fromAsync(createReadStream(path))).equals(once)).toBe(true);
  });
});

test.each(['rsa', 'ec'] as const)('an artifact signed with an %s key is verified', async (kind) => {
  const { privateKey, publicKey } =
    kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: 3072 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const signer = keySigner(privateKey.export({ type: 'pkcs8', format: 'pem' }));
  const keys = [publicKey.export({ type: 'spki', format: 'pem' })];
  const { header } = await readBack(bytes(await artifactBytes(rootfs({ signer }))), { keys });
  expect(header).toMatchObject({ signed: true, verified: true });
});

test('scripts, groups, depends, meta-data and several files travel', async () => {
  const spec: ArtifactSpec = {
    name: 'multi',
    group: 'canary',
    depends: { device_type: ['a', 'b'], artifact_name: ['old'], artifact_group: ['stable'] },
    scripts: [
      { name: 'ArtifactInstall_Leave_00', content: Buffer.from('#!/bin/sh\n') },
      { name: 'ArtifactInstall_Enter_00_first', content: Buffer.from('#!/bin/sh\nexit 0\n') },
    ],
    payload: {
      type: 'my-module',
      provides: { 'my.version': '1' },
      depends: { other: ['1', '2'] },
      metaData: { nested: { deep: [1, 'x'] } },
      files: [bytesSource('b', 'second'), bytesSource('a', ''), bytesSource('n'.repeat(140), 'long')],
    },
  };
  const { header, files } = await readBack(bytes(await artifactBytes(spec)));
  expect(header).toMatchObject({
    name: 'multi',
    group: 'canary',
    depends: spec.depends,
    payload: { type: 'my-module', provides: { 'my.version': '1' }, depends: { other: ['1', '2'] } },
  });
  expect(header.payload.metaData).toEqual({ nested: { deep: [1, 'x'] } });
  expect(header.payload.clears).toBeUndefined();
  expect(header.scripts.map(({ name }) => name)).toEqual([
    'ArtifactInstall_Enter_00_first',
    'ArtifactInstall_Leave_00',
  ]);
  expect(Object.entries(files).map(([name, content]) => [name, content.toString()])).toEqual([
    ['b', 'second'],
    ['a', ''],
    ['n'.repeat(140), 'long'],
  ]);
});

test('an empty payload is written and read', async () => {
  const payload = { type: null, provides: { x: 'y' }, depends: {}, files: [] };
  const { header, files } = await readBack(
    bytes(await artifactBytes({ name: 'boot', depends: { device_type: ['d'] }, payload })),
  );
  expect(header.payload).toMatchObject({ type: null, provides: { x: 'y' } });
  expect(files).toEqual({});
});

test('a source that fails leaves no file behind', async () => {
  const path = join(folder, 'sub-none.mender');
  const failing = { ...bytesSource('x', 'abc'), size: 4 };
  await expect(
    writeArtifact(rootfs({ payload: { ...rootfs().payload, files: [failing] } }), path),
  ).rejects.toMatchObject({ code: 'source_changed', message: expect.stringContaining('file x') as string });
  expect((await readdir(folder)).filter((name) => name.startsWith('sub-none'))).toEqual([]);
});

test.each([
  ['an artifact name with a newline', rootfs({ name: 'a\nb' })],
  ['no device type', rootfs({ depends: { device_type: [] } })],
  ['a payload type that is a path', rootfs({ payload: { ...rootfs().payload, type: '../x' } })],
  ['a file name with a space', rootfs({ payload: { ...rootfs().payload, files: [bytesSource('a b', '')] } })],
  ['a script of no state', rootfs({ scripts: [{ name: 'Download_Enter_00', content: Buffer.of() }] })],
])('%s is refused before anything is written', async (_, spec) => {
  await expect(artifactBytes(spec)).rejects.toMatchObject({ code: 'invalid_spec' });
});

test('a file of this machine keeps its name and time', async () => {
  const path = join(folder, 'app.conf');
  await writeFile(path, 'x=1\n');
  const source = await fileSource(path);
  expect(source).toMatchObject({ name: 'app.conf', size: 4 });
});
