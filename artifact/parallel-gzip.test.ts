import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { gzip } from './parallel-gzip.ts';

const KiB = 1024;
const text = (length: number) => Buffer.alloc(length, 'a line that comes again and again\n');

async function* inPieces(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** The chunks are gone when the next one is asked for, so they are copied. */
async function packed(content: Buffer, size: number, level = 3): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const pieces of gzip(inPieces(content, size), level)) chunks.push(Buffer.concat(pieces));
  return Buffer.concat(chunks);
}

test.each([
  ['nothing', Buffer.alloc(0)],
  ['a byte', Buffer.from('x')],
  ['text', text(2700 * KiB)],
  ['zeros', Buffer.alloc(9000 * KiB)],
  ['random bytes', randomBytes(1000 * KiB)],
  ['a full block', text(1024 * KiB)],
  ['a byte more than a block', text(1024 * KiB + 1)],
  // Half of each unit defeats deflate without looking random where the samples are taken.
  [
    'what expands',
    Buffer.concat(Array.from({ length: 40 }, () => Buffer.concat([randomBytes(60 * KiB), Buffer.alloc(4 * KiB)]))),
  ],
  [
    'a mixture',
    Buffer.concat(Array.from({ length: 30 }, (_, i) => (i % 3 ? text(50 * KiB + i) : randomBytes(70 * KiB + i)))),
  ],
])('%s comes out of gunzip as it went in', async (_, content) => {
  for (const [size, level] of [
    [64 * KiB, 3],
    [1000 * KiB, 1],
    [999, 9],
  ] as const) {
    const result = await packed(content, size, level);
    expect(gunzipSync(result).equals(content)).toBe(true);
    expect(execFileSync('gzip', ['-dc'], { input: result, maxBuffer: 1 << 26 }).equals(content)).toBe(true);
  }
});

test('the same bytes come out, however they came in', async () => {
  const kinds = [text(150 * KiB), randomBytes(90 * KiB), Buffer.alloc(300 * KiB), randomBytes(3 * KiB)];
  const content = Buffer.concat(Array.from({ length: 40 }, (_, index) => kinds[index % kinds.length] as Buffer));
  const first = await packed(content, 1000 * KiB, 6);
  for (const size of [1, 7, 100].map((times) => times * 999))
    expect((await packed(content, size, 6)).equals(first)).toBe(true);
});

test('who stops early is not told of what was still being compressed', async () => {
  for await (const pieces of gzip(inPieces(text(20_000 * KiB), 64 * KiB), 3)) if (pieces.length > 1) break;
  // By then the threads are done with what was begun; an unhandled rejection would fail the run.
  await packed(text(9000 * KiB), 64 * KiB);
});

test('what does not compress hardly grows', async () => {
  const content = randomBytes(1000 * KiB);
  expect((await packed(content, 64 * KiB)).length).toBeLessThan(content.length * 1.001);
});

test('an error of the source comes out as it is', async () => {
  const failure = new Error('the disk is gone');
  async function* failing() {
    yield text(600 * KiB);
    throw failure;
  }
  await expect(Array.fromAsync(gzip(failing(), 3))).rejects.toBe(failure);
});
