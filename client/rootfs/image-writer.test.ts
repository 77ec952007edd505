import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCipheriv } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { writeImage } from './image-writer.ts';

// On a plain file: what only a device does is in `test/root-file-system.test.ts`.

const MiB = 1024 * 1024;
const page = 64 * 1024;
let folder: string;
let device: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patchbay-writer-'));
  device = join(folder, 'partition');
});
afterEach(() => rmSync(folder, { recursive: true }));

const noise = (length: number, seed: number): Buffer =>
  createCipheriv('aes-128-ctr', Buffer.alloc(16, seed), Buffer.alloc(16)).update(Buffer.alloc(length));

/** As it comes from an artifact: in pieces that begin nowhere in particular, and are gone when the next one is asked for. */
async function* pieces(image: Buffer, length: number): AsyncGenerator<Uint8Array> {
  const piece = Buffer.alloc(length);
  for (let at = 0; at < image.length; at += length) {
    const end = Math.min(at + length, image.length);
    image.copy(piece, 0, at, end);
    yield piece.subarray(0, end - at);
    piece.fill(0xee);
  }
}
const write = (image: Buffer, length = 100_003, size = image.length) =>
  writeImage(device, { content: pieces(image, length), size }, () => undefined);

describe('an image, written over another', () => {
  it.each([777, page, 100_003, 3 * MiB])('in pieces of %i bytes: only the pages that differ', async (length) => {
    const image = noise(12 * MiB + 12_345, 1);
    const old = Buffer.concat([image, noise(MiB, 2)]);
    // The first byte, both sides of a page and of a block, a whole block, and the last byte: nine and sixteen pages.
    const changed = [
      0,
      5 * page - 1,
      5 * page,
      2 * MiB - 1,
      2 * MiB,
      7 * MiB + 1,
      9 * MiB,
      9 * MiB + page,
      image.length - 1,
    ];
    for (const at of changed) old[at] = (old[at] ?? 0) ^ 1;
    old.fill(0, 4 * MiB, 5 * MiB);
    writeFileSync(device, old);
    const pages = new Set(changed.map((at) => Math.floor(at / page)));
    const last = image.length % page;
    expect(await write(image, length)).toEqual({
      bytes: image.length,
      same: image.length - (pages.size - 1 + 16) * page - last,
    });
    const after = readFileSync(device);
    expect(after.subarray(0, image.length).equals(image)).toBe(true);
    expect(after.subarray(image.length).equals(noise(MiB, 2))).toBe(true);
    expect(await write(image, length)).toEqual({ bytes: image.length, same: image.length });
  });

  it('that holds less, or nothing: all of the rest is written', async () => {
    const image = noise(6 * MiB + 5, 3);
    for (const held of [0, 1, 3 * MiB + page + 7]) {
      writeFileSync(device, image.subarray(0, held));
      const { bytes, same } = await write(image);
      expect(bytes).toBe(image.length);
      expect(same).toBe(held - (held % page));
      expect(readFileSync(device).equals(image)).toBe(true);
    }
  });

  it('that ends early, or is longer than it said: an error', async () => {
    const image = noise(6 * MiB, 4);
    writeFileSync(device, '');
    await expect(write(image, 100_003, image.length + 1)).rejects.toThrow('ended after 6291456 of 6291457 bytes');
    await expect(write(image, 100_003, image.length - 1)).rejects.toThrow('longer than its 6291455 bytes');
  });

  it('given up in the middle: the error of who gave up, and the device is let go', async () => {
    const image = noise(8 * MiB, 5);
    writeFileSync(device, '');
    let asked = 0;
    const alive = () => {
      asked += 1;
      if (asked === 40) throw new Error('enough');
    };
    await expect(writeImage(device, { content: pieces(image, 100_003), size: image.length }, alive)).rejects.toThrow(
      'enough',
    );
    expect(await write(image)).toMatchObject({ bytes: image.length });
    expect(readFileSync(device).equals(image)).toBe(true);
  });
});
