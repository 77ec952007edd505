// What the corpus does not hold: sizes beyond 4 GiB, limits, consumers that stop, odd dialects of tar.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  artifactBytes,
  ArtifactError,
  bytesSource,
  keySigner,
  openArtifact,
  rawSignature,
  type ArtifactSpec,
} from './index.ts';
import { ByteReader } from './byte-reader.ts';
import { tarEnd, tarHeader, tarMember, tarPadding } from './tar-writer.ts';

const MiB = 1024 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function spec(...files: [string, string][]): ArtifactSpec {
  const sources = files.map(([name, content]) => bytesSource(name, content));
  return {
    name: 'n',
    depends: { device_type: ['d'] },
    compression: 'none',
    payload: { type: 'x', provides: {}, depends: {}, files: sources },
  };
}

async function* pieces(...all: Uint8Array[]) {
  yield* all;
}

/** An artifact around a data tar of one's own. */
function around(dataTar: Uint8Array, lines: Readonly<Record<string, string>>, header = headerTar()): Buffer {
  const version = Buffer.from('{"format":"mender","version":3}');
  const all = { ...lines, 'header.tar': sha256(header), version: sha256(version) };
  const manifest = Buffer.from(
    Object.entries(all)
      .map(([name, digest]) => `${digest}  ${name}\n`)
      .join(''),
  );
  return Buffer.concat([
    tarMember('version', version, 0o600, 0),
    tarMember('manifest', manifest, 0o600, 0),
    tarMember('header.tar', header, 0o600, 0),
    tarMember('data/0000.tar', dataTar, 0o600, 0),
    tarEnd,
  ]);
}

function headerTar(type = 'x'): Buffer {
  const info = {
    payloads: [{ type }],
    artifact_provides: { artifact_name: 'n' },
    artifact_depends: { device_type: ['d'] },
  };
  return Buffer.concat([
    tarMember('header-info', Buffer.from(JSON.stringify(info)), 0o600, 0),
    tarMember('headers/0000/type-info', Buffer.from(JSON.stringify({ type })), 0o600, 0),
    tarEnd,
  ]);
}

async function drain(bytes: AsyncIterable<Uint8Array>, options = {}) {
  const artifact = await openArtifact(bytes, options);
  for await (const file of artifact.files()) for await (const _ of file.content);
  return artifact.header;
}

test('a payload of 9 GiB is read in constant memory, whatever field its size is in', { timeout: 120_000 }, async () => {
  const size = 9 * 1024 * MiB;
  const head = tarHeader({ name: 'big', size, mode: 0o644, modified: 0 });
  const chunk = Buffer.alloc(8 * MiB);
  const whole = around(Buffer.alloc(0), { 'data/0000/big': '0'.repeat(64) });
  // The last member of `around` is empty here: its header is replaced by one of the true size.
  const front = whole.subarray(0, whole.length - tarEnd.length - 512);
  const outer = tarHeader({
    name: 'data/0000.tar',
    size: head.length + size + tarEnd.length,
    mode: 0o600,
    modified: 0,
  });
  async function* source() {
    yield front;
    yield outer;
    yield head;
    // Enough to see that neither size was cut to 32 bits; the rest would only take time.
    for (let sent = 0; sent < 64 * MiB; sent += chunk.length) yield chunk;
  }
  const before = process.memoryUsage().rss;
  const artifact = await openArtifact(source());
  const sizes: number[] = [];
  const reading = (async () => {
    for await (const file of artifact.files()) {
      sizes.push(file.size);
      for await (const _ of file.content);
    }
  })();
  await expect(reading).rejects.toMatchObject({
    code: 'truncated',
    message: 'data/0000.tar: the archive ends inside it',
  });
  expect(sizes).toEqual([size]);
  expect(process.memoryUsage().rss - before).toBeLessThan(60 * MiB);
});

test('a file that nobody read is checked all the same', async () => {
  const bytes = await artifactBytes(spec(['a', 'first'], ['b', 'second']));
  bytes[bytes.indexOf('first')]! ^= 1;
  const artifact = await openArtifact(pieces(bytes));
  await expect(Array.fromAsync(artifact.files())).rejects.toMatchObject({
    code: 'checksum-mismatch',
    message: 'payload 0000: file a: checksum differs from manifest',
  });
});

test('a checksum that is wrong stays wrong, even for a consumer that goes on', async () => {
  const bytes = await artifactBytes(spec(['a', 'first']));
  bytes[bytes.indexOf('first')]! ^= 1;
  const artifact = await openArtifact(pieces(bytes));
  const reading = (async () => {
    for await (const file of artifact.files()) await Array.fromAsync(file.content).catch(() => undefined);
  })();
  await expect(reading).rejects.toMatchObject({ code: 'checksum-mismatch' });
});

test.each(['none', 'gzip', 'zstd', 'lzma'] as const)(
  'a consumer that stops lets go of the source (%s)',
  async (compression) => {
    const bytes = await artifactBytes({ ...spec(['a', 'x'.repeat(300_000)], ['b', 'y']), compression });
    let released = false;
    async function* source() {
      try {
        for (let at = 0; at < bytes.length; at += 512) yield bytes.subarray(at, at + 512);
        await new Promise(() => undefined);
      } finally {
        released = true;
      }
    }
    const artifact = await openArtifact(source());
    for await (const _ of artifact.files()) break;
    await expect.poll(() => released).toBe(true);
  },
);

test.each(['gzip', 'zstd'] as const)('chunks that are gone at once do no harm (%s)', async (compression) => {
  const files = Array.from({ length: 2000 }, (_, i): [string, string] => [`f${i}`, String(i).repeat(i % 300)]);
  const bytes = await artifactBytes({ ...spec(...files), compression });
  const artifact = await openArtifact(pieces(bytes), { transient: true });
  const found: [string, string][] = [];
  for await (const { name, content } of artifact.files()) {
    let text = '';
    for await (const chunk of content) text += Buffer.from(chunk).toString();
    found.push([name, text]);
  }
  expect(found).toEqual(files);
});

test('bytes that come in several chunks are whole, even if each chunk is gone when the next is asked for', async () => {
  async function* vanishing() {
    for (const text of ['one ', 'two ', 'three']) {
      const chunk = new Uint8Array(Buffer.from(text));
      yield chunk;
      chunk.buffer.transfer(0);
    }
  }
  const whole = await new ByteReader(vanishing()).upTo(12);
  expect(Buffer.from(whole).toString()).toBe('one two thre');
});

test('nothing is asked of the source before somebody wants it', async () => {
  const bytes = await artifactBytes(spec(['a', 'x'.repeat(4 * MiB)]));
  let asked = 0;
  async function* source() {
    for (; asked < bytes.length; asked += 4096) yield bytes.subarray(asked, asked + 4096);
  }
  const artifact = await openArtifact(source());
  expect(asked).toBeLessThan(12_000);
  for await (const file of artifact.files()) {
    for await (const _ of file.content) break;
    expect(asked).toBeLessThan(20_000);
  }
  expect(asked).toBeGreaterThan(4 * MiB);
});

describe('limits', () => {
  test.each([
    ['manifest', { manifest: 100 }],
    ['header', { header: 100 }],
    ['a file of the header', { headerFile: 50 }],
    ['files of the payload', { payloadFiles: 1 }],
    ['the payload', { payload: 8 }],
    ['entries of the header', { headerEntries: 1 }],
  ])('%s: more is refused', async (_, limits) => {
    const bytes = await artifactBytes(spec(['a', 'first'], ['b', 'second']));
    await expect(drain(pieces(bytes), { limits })).rejects.toMatchObject({ code: 'limit-exceeded' });
  });
});

describe('tar', () => {
  const content = Buffer.from('content');
  const lines = { 'data/0000/f': sha256(content) };
  const entry = (name: string, change: (header: Buffer) => void = () => undefined) => {
    const header = tarHeader({ name, size: content.length, mode: 0o644, modified: 0 });
    change(header);
    header.write('        ', 148, 'latin1');
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    );
    return Buffer.concat([header, content, tarPadding(content.length)]);
  };
  const set = (offset: number, text: string) => (header: Buffer) => void header.write(text, offset, 'latin1');

  test.each([
    ['no magic at all', entry('f', set(257, '\0'.repeat(8)))],
    ['GNU magic', entry('f', set(257, 'ustar  \0'))],
    ['NUL for the type', entry('f', set(156, '\0'))],
    ['a size padded with blanks', entry('f', set(124, '         7 \0'))],
    ['a size in base 256', entry('f', set(124, `\x80${'\0'.repeat(10)}\x07`))],
    [
      'times and names in the place of a prefix, as GNU has',
      entry('f', (h) => (set(257, 'ustar  \0')(h), set(345, '123')(h))),
    ],
  ])('is read with %s', async (_, tar) => {
    await expect(drain(pieces(around(Buffer.concat([tar, tarEnd]), lines)))).resolves.toMatchObject({ name: 'n' });
  });

  test.each([
    ['a hard link', '1'],
    ['a symbolic link', '2'],
    ['a character device', '3'],
    ['a folder', '5'],
    ['a FIFO', '6'],
    ['a contiguous file', '7'],
    ['a global pax header', 'g'],
    ['a sparse file', 'S'],
  ])('%s is no payload file', async (_, type) => {
    const tar = Buffer.concat([entry('f', set(156, type)), tarEnd]);
    await expect(drain(pieces(around(tar, lines)))).rejects.toMatchObject({ code: 'payload-type-invalid' });
  });

  test('a header whose type is a folder is passed over, but no other', async () => {
    const header = headerTar();
    const folder = tarHeader({ name: 'headers/', size: 0, mode: 0o755, modified: 0 });
    folder.write('5', 156, 'latin1');
    folder.write('        ', 148, 'latin1');
    folder.write(
      `${folder
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
      'latin1',
    );
    const whole = around(Buffer.concat([entry('f'), tarEnd]), lines, Buffer.concat([folder, header]));
    await expect(drain(pieces(whole))).resolves.toMatchObject({ name: 'n' });
  });
});

describe('signatures', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  const signer = keySigner(privateKey.export({ type: 'pkcs8', format: 'pem' }));

  test('one of several trusted keys is enough', async () => {
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' });
    const bytes = await artifactBytes({ ...spec(['a', 'b']), signer });
    await expect(drain(pieces(bytes), { keys: [other, pem] })).resolves.toMatchObject({ verified: true });
    await expect(drain(pieces(bytes), { keys: [other] })).rejects.toMatchObject({ code: 'signature-invalid' });
    await expect(drain(pieces(bytes), { keys: [] })).rejects.toMatchObject({ code: 'signature-invalid' });
  });

  test('a key that cannot be read is said at once', async () => {
    const bytes = await artifactBytes(spec(['a', 'b']));
    await expect(drain(pieces(bytes), { keys: ['no key'] })).rejects.toMatchObject({ code: 'key_invalid' });
  });

  test('CVE-2025-67903: a payload file without a checksum in the manifest is refused', async () => {
    const path = new URL('../test/fixtures/artifacts/malformed/manifest-without-payload-line.mender', import.meta.url);
    await expect(drain(pieces(readFileSync(path)))).rejects.toBeInstanceOf(ArtifactError);
  });

  test('a DER signature becomes the raw pair, however short its numbers are', () => {
    for (let round = 0; round < 300; round++) {
      const manifest = Buffer.from(`manifest ${round}`);
      const der = sign('sha256', manifest, { key: privateKey, dsaEncoding: 'der' });
      expect(rawSignature(der, 64)).toHaveLength(64);
    }
    expect(() => rawSignature(Buffer.alloc(70), 64)).toThrow(/70 bytes/);
  });
});

test('names that no writer may use are reported, or refused', async () => {
  const info = {
    payloads: [{ type: 'x' }],
    artifact_provides: { artifact_name: 'a\u0007b' },
    artifact_depends: { device_type: ['d'] },
  };
  const header = Buffer.concat([
    tarMember('header-info', Buffer.from(JSON.stringify(info)), 0o600, 0),
    tarMember('headers/0000/type-info', Buffer.from('{"type":"x"}'), 0o600, 0),
    tarEnd,
  ]);
  const bytes = around(tarEnd, {}, header);
  await expect(drain(pieces(bytes))).rejects.toMatchObject({ code: 'header-invalid' });
  const warnings: string[] = [];
  await drain(pieces(bytes), { warn: (message: string) => warnings.push(message) });
  expect(warnings).toEqual([expect.stringContaining('cannot be printed')]);
});
