import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeVolume } from './flash-volume.ts';

// There is no raw flash in a computer: a stand-in for mtd-utils' program says what it was given.
let folder: string;
const path = process.env['PATH'];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'patchbay-ubi-'));
  process.env['PATH'] = `${folder}:${path}`;
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true });
});
function ubiupdatevol(script: string): void {
  writeFileSync(join(folder, 'ubiupdatevol'), `#!/bin/sh\n${script}\n`);
  chmodSync(join(folder, 'ubiupdatevol'), 0o755);
}
async function* content(chunks = 40) {
  for (let n = 0; n < chunks; n += 1) yield Buffer.alloc(65_536, n);
}
const image = (chunks?: number) => ({ size: 40 * 65_536, content: content(chunks) });
const alive = () => undefined;

it('a UBI volume gets the image through ubiupdatevol, with its size', async () => {
  ubiupdatevol(`echo "$*" >'${folder}/args'; cat >'${folder}/volume'`);
  await writeVolume('/dev/ubi0_1', image(), alive);
  expect(readFileSync(join(folder, 'args'), 'utf8')).toBe(`-s ${40 * 65_536} /dev/ubi0_1 -\n`);
  expect(readFileSync(join(folder, 'volume')).equals(Buffer.concat(await Array.fromAsync(content())))).toBe(true);
});

it.each([
  ['fails at once', 'echo "no space on volume" >&2; exit 255', 'ended with 255: no space on volume'],
  ['fails in the middle', 'head -c 100000 >/dev/null; echo "bad block" >&2; exit 1', 'ended with 1: bad block'],
])('a ubiupdatevol that %s fails the download with its words', async (_, script, words) => {
  ubiupdatevol(script);
  await expect(writeVolume('/dev/ubi0_1', image(), alive)).rejects.toThrow(words);
});

it('a stream that breaks ends ubiupdatevol', async () => {
  ubiupdatevol(`echo $$ >'${folder}/pid'; exec cat >/dev/null`);
  async function* broken() {
    yield* content(2);
    throw new Error('the connection is lost');
  }
  await expect(writeVolume('/dev/ubi0_1', { size: 100, content: broken() }, alive)).rejects.toThrow(
    'connection is lost',
  );
});

it('without mtd-utils it says what to install', async () => {
  process.env['PATH'] = folder;
  await expect(writeVolume('/dev/ubi0_1', image(), alive)).rejects.toThrow('install mtd-utils');
});
