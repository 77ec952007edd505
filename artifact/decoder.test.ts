import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decode } from './decoder.ts';
import { ArtifactError } from './errors.ts';

const content = Buffer.concat([Buffer.alloc(300_000, 'some text '), randomBytes(100_000), Buffer.alloc(200_000)]);
const xz = (bytes: Buffer, ...args: string[]) => execFileSync('xz', ['-c', ...args], { input: bytes });

const kinds = {
  gzip: gzipSync(content),
  zstd: zstdCompressSync(content, { params: { 201: 1 } }),
  lzma: xz(content),
} as const;

async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function decoded(kind: keyof typeof kinds, bytes: Uint8Array, size: number): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(decode(kind, inPieces(bytes, size), 'data/0000.tar')));
}

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])('%s', (kind) => {
  const whole = kinds[kind];
  const refused = (code: RegExp) =>
    expect.objectContaining({
      code: expect.stringMatching(code) as string,
      message: expect.stringMatching(/^data/) as string,
    });

  test.each([1 << 20, 4096, 97])('is decompressed from pieces of %i bytes', async (size) => {
    expect((await decoded(kind, whole, size)).equals(content)).toBe(true);
  });

  test('several streams in a row are one', async () => {
    const twice = await decoded(kind, Buffer.concat([whole, whole]), 4096);
    expect(twice.equals(Buffer.concat([content, content]))).toBe(true);
  });

  test.each([1, 4, 8, 20, 1000])('a stream that lacks its last %i bytes is refused', async (missing) => {
    const error: unknown = await decoded(kind, whole.subarray(0, -missing), 4096).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ArtifactError);
    expect(error).toEqual(refused(/^(truncated|compression-corrupt)$/));
  });

  test.each([1, 3, 10])('a damaged byte, %i from the end, is noticed', async (back) => {
    const damaged = Buffer.from(whole);
    damaged[damaged.length - back]! ^= 0x40;
    await expect(decoded(kind, damaged, 4096)).rejects.toEqual(refused(/^(truncated|compression-corrupt)$/));
  });

  test.each([
    ['zeros', Buffer.alloc(64)],
    ['text', Buffer.from('this is no stream, but some other thing altogether')],
    ['one byte', Buffer.from('x')],
  ])('%s behind the stream are refused, wherever the pieces end', async (_, junk) => {
    // Padding of four zeros, or more, belongs to the xz format.
    if (kind === 'lzma' && junk[0] === 0) return;
    for (const size of [1 << 20, whole.length, 4096]) {
      await expect(decoded(kind, Buffer.concat([whole, junk]), size)).rejects.toEqual(
        refused(/^(truncated|compression-corrupt)$/),
      );
    }
  });

  test('an error of the source comes out as it is', async () => {
    const failure = new Error('the network is gone');
    async function* failing() {
      yield whole.subarray(0, 5000);
      throw failure;
    }
    await expect(Array.fromAsync(decode(kind, failing(), 'x'))).rejects.toBe(failure);
  });

  test('who stops early lets go of the source', async () => {
    let released = false;
    async function* endless() {
      try {
        yield* inPieces(whole, 1000);
      } finally {
        released = true;
      }
    }
    for await (const _ of decode(kind, endless(), 'x')) break;
    await expect.poll(() => released).toBe(true);
  });

  test('nothing at all is refused', async () => {
    await expect(decoded(kind, Buffer.alloc(0), 10)).rejects.toBeInstanceOf(ArtifactError);
  });
});

test('xz with another check than CRC64 is decompressed', async () => {
  for (const check of ['none', 'crc32', 'sha256']) {
    expect((await decoded('lzma', xz(content, `--check=${check}`), 4096)).equals(content)).toBe(true);
  }
});

test('several xz streams are decompressed at the same time', async () => {
  const sources = Array.from({ length: 4 }, () =>
    decode('lzma', inPieces(kinds.lzma, 4096), 'x')[Symbol.asyncIterator](),
  );
  for (const source of sources) expect((await source.next()).done).toBe(false);
  await Promise.all(sources.map(async (source) => source.return?.()));
});

test('an xz stream that claims a huge dictionary takes no memory for it', async () => {
  const huge = xz(Buffer.from('small'), '--lzma2=dict=1536MiB');
  await expect(decoded('lzma', huge, 4096)).rejects.toMatchObject({ code: 'limit-exceeded' });
});

test('a zstd frame that claims a huge window takes no memory for it', async () => {
  const before = process.memoryUsage().rss;
  // Magic number, a frame header without content size, and a window descriptor of 2 GiB.
  const huge = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00]);
  await expect(decoded('zstd', huge, 4096)).rejects.toBeInstanceOf(ArtifactError);
  expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
});
