import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { artifactBytes } from '#artifact';
import { openFolder } from '../blobs/folder.ts';
import { receiveArtifact } from './receive.ts';

const MiB = 1024 * 1024;
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-receive-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test.each(['gzip', 'zstd'] as const)(
  'an upload in %s leaves no trail of decompressed bytes in memory',
  async (compression) => {
    const line = Buffer.alloc(MiB, 'a line that comes again and again\n');
    const size = 64;
    const bytes = await artifactBytes({
      name: 'release-1',
      depends: { device_type: ['board'] },
      payload: {
        type: 'rootfs-image',
        provides: {},
        depends: {},
        files: [
          {
            name: 'image',
            size: size * MiB,
            modified: 0,
            content: function* () {
              for (let part = 0; part < size; part++) yield line;
            },
          },
        ],
      },
      compression,
    });
    // One buffer at all times, so what grows is what the reader leaves behind.
    const before = process.memoryUsage().arrayBuffers;
    let most = 0;
    async function* upload() {
      for (let at = 0; at < bytes.length; at += 2048) {
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
        yield bytes.subarray(at, at + 2048);
      }
    }
    const blobs = await openFolder(folder);
    const share = { take: () => undefined, keep: () => undefined, [Symbol.dispose]: () => undefined };
    const accept = { size: bytes.length, limit: bytes.length, share, check: () => Promise.resolve() };
    const { document } = await receiveArtifact(upload(), randomUUID(), blobs, accept);
    expect(document.updates[0]?.files).toMatchObject([{ name: 'image', size: size * MiB }]);
    expect(most).toBeLessThan(8 * MiB);
  },
);
