// Rule by rule of `artifact-format.md`: an artifact that breaks one rule only, all checksums being right, is refused for it.
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { ArtifactError, openArtifact, type ReadOptions } from './index.ts';
import { tarEnd, tarHeader, tarMember, tarPadding } from './tar-writer.ts';

type Bytes = Uint8Array | string;
type Entry = readonly [name: string, content: Bytes] | Buffer;

const sha256 = (bytes: Bytes) => createHash('sha256').update(bytes).digest('hex');
const member = (name: string, content: Bytes) => tarMember(name, Buffer.from(content), 0o600, 0);
const entry = (one: Entry) => (Buffer.isBuffer(one) ? one : member(...one));
const archive = (...entries: Entry[]) => Buffer.concat([...entries.map(entry), tarEnd]);
const line = (name: string, content: Bytes) => `${sha256(content)}  ${name}\n`;

/** A tar header with a field overwritten and its checksum right again; `type` at 156, size at 124. */
function patched(name: string, size: number, at: number, value: string): Buffer {
  const block = tarHeader({ name, size, mode: 0o600, modified: 0 });
  block.write(value, at, 'latin1');
  block.write('        ', 148, 'latin1');
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}
const flipped = (bytes: Buffer, at: number) =>
  bytes.map((byte, index) => (index === bytes.length + at ? byte ^ 1 : byte)) as Buffer;
const special = (name: string, type: string) => patched(name, 0, 156, type);

const info = {
  payloads: [{ type: 'x' }],
  artifact_provides: { artifact_name: 'n' },
  artifact_depends: { device_type: ['d'] },
};
type Json = Readonly<Record<string, unknown>>;
const text = (value: unknown) => JSON.stringify(value);

/** The parts of an artifact, any of which can be another than the good one. */
interface Parts {
  readonly version?: Bytes;
  readonly info?: Json | string;
  readonly typeInfo?: Json | string;
  readonly metaData?: Json | string;
  readonly scripts?: readonly string[];
  /** Entries of header.tar, in place of all of these. */
  readonly header?: readonly Entry[];
  readonly headerTar?: Buffer;
  readonly headerName?: string;
  readonly files?: Readonly<Record<string, string>>;
  /** Entries of data/0000.tar, in place of the files. */
  readonly data?: readonly Entry[];
  readonly dataTar?: Buffer;
  readonly dataName?: string;
  /** Changes the manifest's text. */
  readonly manifest?: (text: string) => Bytes;
  readonly signature?: (manifest: Buffer) => Bytes;
  /** Members of manifest-augment and header-augment.tar. */
  readonly augment?: { readonly manifest: string; readonly header: Buffer };
  /** Changes the order of members, or which there are. */
  readonly members?: (members: Entry[]) => Entry[];
}

const json = (value: Json | string) => (typeof value === 'string' ? value : text(value));

function artifact(parts: Parts): Buffer {
  const version = parts.version ?? '{"format":"mender","version":3}';
  const files = parts.files ?? { f: 'content' };
  const header =
    parts.headerTar ??
    archive(
      ...(parts.header ?? [
        ['header-info', json(parts.info ?? info)] as const,
        ...(parts.scripts ?? []).map((name) => [`scripts/${name}`, '#!/bin/sh\n'] as const),
        ['headers/0000/type-info', json(parts.typeInfo ?? { type: 'x' })] as const,
        ...(parts.metaData === undefined ? [] : [['headers/0000/meta-data', json(parts.metaData)] as const]),
      ]),
    );
  const headerName = parts.headerName ?? 'header.tar';
  const data = parts.dataTar ?? archive(...(parts.data ?? Object.entries(files)));
  const lines = [
    ...Object.entries(files).map(([name, content]) => line(`data/0000/${name}`, content)),
    line(headerName, header),
    line('version', version),
  ].join('');
  const manifest = Buffer.from(parts.manifest?.(lines) ?? lines);
  const members: Entry[] = [
    ['version', version],
    ['manifest', manifest],
    ...(parts.signature ? [['manifest.sig', parts.signature(manifest)] as const] : []),
    ...(parts.augment ? [['manifest-augment', parts.augment.manifest] as const] : []),
    [headerName, header],
    ...(parts.augment ? [['header-augment.tar', parts.augment.header] as const] : []),
    [parts.dataName ?? 'data/0000.tar', data],
  ];
  return archive(...(parts.members?.(members) ?? members));
}

async function* inPieces(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 700) yield bytes.subarray(at, at + 700);
}

async function verdict(bytes: Buffer, options: ReadOptions = {}): Promise<string> {
  try {
    const opened = await openArtifact(inPieces(bytes), { allowAugmented: true, allowVersion2: true, ...options });
    for await (const { content } of opened.files()) for await (const _ of content);
    return 'taken';
  } catch (error) {
    if (!(error instanceof ArtifactError)) throw error;
    expect(error.message).toMatch(/^[^\n]{10,300}$/);
    return error.code;
  }
}

/** Rows are: what is done, the parts, and the verdict; several if all are right. */
type Rows = Readonly<Record<string, readonly [parts: Parts, ...verdicts: string[]]>>;

function check(title: string, rows: Rows) {
  describe(title, () => {
    for (const [what, [parts, ...verdicts]] of Object.entries(rows)) {
      test(`${what}: ${verdicts[0]}`, async () => {
        expect(verdicts).toContain(await verdict(artifact(parts)));
      });
    }
  });
}

const swap = (at: number) => (members: Entry[]) => members.toSpliced(at, 2, ...members.slice(at, at + 2).reverse());
const twice = (at: number) => (members: Entry[]) => members.toSpliced(at, 0, members[at] as Entry);
const without = (at: number) => (members: Entry[]) => members.toSpliced(at, 1);
const instead = (at: number, one: Entry) => (members: Entry[]) => members.toSpliced(at, 1, one);
const before = (at: number, one: Entry) => (members: Entry[]) => members.toSpliced(at, 0, one);

check('members (§1)', {
  'nothing wrong': [{}, 'taken'],
  'version and manifest change places': [{ members: swap(0) }, 'bad-order'],
  'manifest and header change places': [{ members: swap(1) }, 'bad-order'],
  'header and data change places': [{ members: swap(2) }, 'bad-order'],
  'version twice': [{ members: twice(0) }, 'duplicate-member'],
  'manifest twice': [{ members: twice(1) }, 'duplicate-member'],
  'header twice': [{ members: twice(2) }, 'duplicate-member'],
  'data twice': [{ members: twice(3) }, 'duplicate-member'],
  'version, header and data in another suffix again': [
    { members: (all) => [...all, ['data/0000.tar.gz', gzipSync(archive())]] },
    'duplicate-member',
  ],
  'no version': [{ members: without(0) }, 'bad-order', 'missing-member'],
  'no manifest': [{ members: without(1) }, 'bad-order', 'missing-member'],
  'no header': [{ members: without(2) }, 'bad-order', 'missing-member'],
  'no data': [{ members: without(3) }, 'missing-member'],
  'only a version': [{ members: (all) => all.slice(0, 1) }, 'missing-member'],
  'no members': [{ members: () => [] }, 'truncated', 'missing-member'],
  'an unknown member at the beginning': [{ members: before(0, ['x', 'x']) }, 'unexpected-member'],
  'an unknown member in the middle': [{ members: before(2, ['README', 'x']) }, 'unexpected-member'],
  'an unknown member at the end': [{ members: (all) => [...all, ['x', 'x']] }, 'unexpected-member'],
  'a second payload': [{ members: (all) => [...all, ['data/0001.tar', archive()]] }, 'unexpected-member'],
  'an index of five digits': [{ dataName: 'data/00000.tar' }, 'unexpected-member'],
  'a folder': [{ members: before(3, special('data/', '5')) }, 'unexpected-member', 'tar-corrupt'],
  'a name that begins with ./': [{ dataName: './data/0000.tar' }, 'unexpected-member'],
  'a name in capitals': [{ members: instead(0, ['VERSION', '{"format":"mender","version":3}']) }, 'unexpected-member'],
  'an unknown suffix': [{ dataName: 'data/0000.tar.bz2' }, 'unexpected-member'],
  'a version that is a link': [{ members: instead(0, special('version', '2')) }, 'tar-corrupt'],
  'a header that is a folder': [{ members: instead(2, special('header.tar', '5')) }, 'tar-corrupt'],
  'data that is a device': [{ members: instead(3, special('data/0000.tar', '3')) }, 'tar-corrupt'],
  'a global pax header': [
    { members: before(0, special('pax_global_header', 'g')) },
    'tar-corrupt',
    'unexpected-member',
  ],
  'header-augment without its manifest': [
    { members: before(3, ['header-augment.tar', archive()]) },
    'bad-order',
    'unexpected-member',
  ],
});

const format = (value: unknown) => ({ version: text(value) });
check('version (§3)', {
  'another format': [format({ format: 'other', version: 3 }), 'unsupported-format'],
  'an empty format': [format({ format: '', version: 3 }), 'unsupported-format'],
  'version 1': [format({ format: 'mender', version: 1 }), 'unsupported-version'],
  'version 4': [format({ format: 'mender', version: 4 }), 'unsupported-version'],
  'version 0': [format({ format: 'mender', version: 0 }), 'unsupported-version'],
  'version -3': [format({ format: 'mender', version: -3 }), 'unsupported-version'],
  'version 3.5': [format({ format: 'mender', version: 3.5 }), 'version-invalid'],
  'version "3"': [format({ format: 'mender', version: '3' }), 'version-invalid'],
  'version null': [format({ format: 'mender', version: null }), 'version-invalid'],
  'no version': [format({ format: 'mender' }), 'version-invalid'],
  'no format': [format({ version: 3 }), 'version-invalid'],
  'a format that is a number': [format({ format: 3, version: 3 }), 'version-invalid'],
  'a list': [format([]), 'version-invalid'],
  'a string': [format('mender'), 'version-invalid'],
  'another key': [format({ format: 'mender', version: 3, x: 1 }), 'version-invalid'],
  'keys in capitals': [format({ Format: 'mender', Version: 3 }), 'version-invalid'],
  nothing: [{ version: '' }, 'version-invalid'],
  'no end': [{ version: '{"format":"mender","version":3' }, 'version-invalid'],
  'something behind': [{ version: '{"format":"mender","version":3}x' }, 'version-invalid'],
  'a byte order mark': [{ version: '\u{feff}{"format":"mender","version":3}' }, 'version-invalid'],
  'no UTF-8': [{ version: Buffer.from('{"format":"mender\xff","version":3}', 'latin1') }, 'version-invalid'],
  '2 KiB': [{ version: `{"format":"mender","version":3}${' '.repeat(2048)}` }, 'limit-exceeded'],
});

const edit = (from: string | RegExp, to: string) => ({ manifest: (all: string) => all.replace(from, to) });
const add = (more: string) => ({ manifest: (all: string) => all + more });
const zeros = '0'.repeat(64);
check('manifest (§4)', {
  nothing: [{ manifest: () => '' }, 'manifest-entry-missing', 'manifest-malformed'],
  'an empty line': [edit('\n', '\n\n'), 'manifest-malformed'],
  'an empty last line': [add('\n'), 'manifest-malformed'],
  'no last line end': [edit(/\n$/, ''), 'manifest-malformed'],
  'line ends of Windows': [edit(/\n/g, '\r\n'), 'manifest-malformed'],
  'one space': [edit('  ', ' '), 'manifest-malformed'],
  'three spaces': [edit('  ', '   '), 'manifest-malformed'],
  'a tab': [edit('  ', ' \t'), 'manifest-malformed'],
  'a star for binary': [edit('  ', ' *'), 'manifest-malformed'],
  'a space in front': [edit(/^/, ' '), 'manifest-malformed'],
  'a space behind': [edit('\n', ' \n'), 'manifest-malformed'],
  'a checksum of 63 digits': [edit(/^./, ''), 'manifest-malformed'],
  'a checksum of 65 digits': [edit(/^/, '0'), 'manifest-malformed'],
  'a checksum with g': [edit(/^./, 'g'), 'manifest-malformed'],
  'a checksum in capitals': [
    { manifest: (all) => all.replaceAll(/^\w{64}/gm, (sum) => sum.toUpperCase()) },
    'manifest-malformed',
  ],
  'no checksum': [add('  data/0000/f\n'), 'manifest-malformed'],
  'no name': [add(`${zeros}  \n`), 'manifest-malformed'],
  'a comment': [add('# x\n'), 'manifest-malformed'],
  'a NUL': [edit('data/0000/f', 'data/0000/f\0'), 'manifest-malformed', 'payload-name-invalid'],
  'a line twice': [{ manifest: (all) => `${all.split('\n')[0]}\n${all}` }, 'manifest-malformed'],
  'a name with two checksums': [add(`${zeros}  version\n`), 'manifest-malformed'],
  'a file that never comes': [add(`${zeros}  data/0000/g\n`), 'manifest-entry-unused'],
  'a header that never comes': [add(`${zeros}  header.tar.gz\n`), 'manifest-entry-unused', 'manifest-malformed'],
  'an augmented header that never comes': [
    add(`${zeros}  header-augment.tar\n`),
    'manifest-entry-unused',
    'manifest-malformed',
  ],
  'a stranger': [add(`${zeros}  README\n`), 'manifest-malformed', 'manifest-entry-unused'],
  itself: [add(`${zeros}  manifest\n`), 'manifest-malformed', 'manifest-entry-unused'],
  'its signature': [add(`${zeros}  manifest.sig\n`), 'manifest-malformed', 'manifest-entry-unused'],
  'the data member': [add(`${zeros}  data/0000.tar\n`), 'manifest-malformed', 'manifest-entry-unused'],
  'a file of another payload': [add(`${zeros}  data/0001/f\n`), 'manifest-malformed', 'manifest-entry-unused'],
  'an index of three digits': [edit('data/0000/f', 'data/000/f'), 'manifest-malformed', 'manifest-entry-missing'],
  'no line for the file': [edit(/^.*data.*\n/m, ''), 'manifest-entry-missing'],
  'no line for the header': [edit(/^.*header.*\n/m, ''), 'manifest-entry-missing'],
  'no line for the version': [edit(/^.*version\n/m, ''), 'manifest-entry-missing'],
  'the header in another suffix': [
    edit('header.tar', 'header.tar.gz'),
    'manifest-entry-missing',
    'manifest-entry-unused',
  ],
  'the wrong checksum of the file': [{ manifest: (all) => all.replace(/^\w{64}/, zeros) }, 'checksum-mismatch'],
  'the wrong checksum of the header': [edit(/^\w{64}(?= {2}header)/m, zeros), 'checksum-mismatch'],
  'the wrong checksum of the version': [edit(/^\w{64}(?= {2}version)/m, zeros), 'checksum-mismatch'],
  'lines in another order': [{ manifest: (all) => `${all.trim().split('\n').reverse().join('\n')}\n` }, 'taken'],
  'more than 1 MiB': [add('x'.repeat(1 << 20)), 'limit-exceeded'],
});

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = (key: typeof publicKey) => key.export({ type: 'spki', format: 'pem' });
const raw = (manifest: Buffer) => sign('sha256', manifest, { key: privateKey, dsaEncoding: 'ieee-p1363' });
const base64 = (bytes: Buffer) => bytes.toString('base64');
const der = (length: number) => (manifest: Buffer) => {
  for (;;) {
    const made = sign('sha256', manifest, privateKey);
    if (made.length === length) return base64(made);
  }
};

describe('manifest.sig (§5)', () => {
  const keys = [pem(publicKey)];
  test.each<[string, (manifest: Buffer) => Bytes, string, ...string[]]>([
    ['a right signature', (all) => base64(raw(all)), 'taken'],
    ['DER of 70 bytes', der(70), 'taken'],
    ['DER of 71 bytes', der(71), 'taken'],
    ['DER of 72 bytes', der(72), 'taken'],
    ['an RSA signature for an ECDSA key', (all) => base64(sign('sha256', all, rsa.privateKey)), 'signature-invalid'],
    ['one over other bytes', (all) => base64(raw(Buffer.concat([all, all]))), 'signature-invalid'],
    [
      'one with SHA-512',
      (all) => base64(sign('sha512', all, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
      'signature-invalid',
    ],
    ['zeros', () => base64(Buffer.alloc(64)), 'signature-invalid'],
    ['63 bytes', (all) => base64(raw(all).subarray(0, 63)), 'signature-invalid'],
    ['65 bytes', (all) => base64(Buffer.concat([raw(all), Buffer.alloc(1)])), 'signature-invalid'],
    ['one byte', () => base64(Buffer.alloc(1)), 'signature-invalid'],
    [
      'halves in another order',
      (all) => base64(Buffer.concat([raw(all).subarray(32), raw(all).subarray(0, 32)])),
      'signature-invalid',
    ],
    ['bytes of no encoding', (all) => raw(all), 'signature-malformed'],
    ['hexadecimal', (all) => raw(all).toString('hex'), 'signature-malformed', 'signature-invalid'],
    ['base64 for addresses', () => Buffer.alloc(64, 0xff).toString('base64url'), 'signature-malformed'],
    ['no padding', (all) => base64(raw(all)).replaceAll('=', ''), 'signature-malformed'],
    ['a line end', (all) => `${base64(raw(all))}\n`, 'signature-malformed'],
    ['line ends within', (all) => base64(raw(all)).replace(/^.{40}/, '$&\n'), 'signature-malformed'],
    ['a space in front', (all) => ` ${base64(raw(all))}`, 'signature-malformed'],
    ['two signatures', (all) => base64(raw(all)).repeat(2), 'signature-malformed', 'signature-invalid'],
    ['nothing', () => '', 'signature-malformed'],
    ['16 KiB and more', () => 'A'.repeat(16_388), 'limit-exceeded'],
  ])('%s: %3$s', async (_, signature, ...verdicts) => {
    expect(verdicts).toContain(await verdict(artifact({ signature }), { keys }));
  });

  test('every signature of a key is taken, whatever length its numbers have', async () => {
    for (let count = 0; count < 100; count++) {
      const form =
        count % 2 ? (all: Buffer) => base64(sign('sha256', all, privateKey)) : (all: Buffer) => base64(raw(all));
      expect(await verdict(artifact({ signature: form, files: { f: `${count}` } }), { keys })).toBe('taken');
    }
  });

  test('a signature comes behind the manifest and nowhere else', async () => {
    const signature = (all: Buffer) => base64(raw(all));
    for (const [from, to] of [
      [2, 0],
      [2, 1],
      [2, 3],
      [2, 4],
    ] as const) {
      const members = (all: Entry[]) => {
        const [one] = all.splice(from, 1);
        return all.toSpliced(to, 0, one as Entry);
      };
      const said = await verdict(artifact({ signature, members }), { keys });
      expect(['bad-order', 'signature-missing']).toContain(said);
      expect(await verdict(artifact({ signature, members }))).toBe('bad-order');
    }
    expect(await verdict(artifact({ signature, members: twice(2) }), { keys })).toBe('duplicate-member');
    expect(await verdict(artifact({}), { keys })).toBe('signature-missing');
  });
});

const head = (change: Json) => ({ info: { ...info, ...change } });
const provides = (value: unknown) => head({ artifact_provides: value });
const depends = (value: unknown) => head({ artifact_depends: value });
check('header-info (§6.1)', {
  'no payloads': [head({ payloads: undefined }), 'header-invalid'],
  'an empty list of payloads': [head({ payloads: [] }), 'header-invalid'],
  'payloads that are an object': [head({ payloads: {} }), 'header-invalid'],
  'payloads null': [head({ payloads: null }), 'header-invalid'],
  'a payload without a type': [head({ payloads: [{}] }), 'header-invalid'],
  'a payload type that is a number': [head({ payloads: [{ type: 1 }] }), 'header-invalid'],
  'an empty payload type': [{ ...head({ payloads: [{ type: '' }] }), typeInfo: { type: '' } }, 'header-invalid'],
  'another key in a payload': [head({ payloads: [{ type: 'x', y: 1 }] }), 'header-invalid'],
  'two payloads': [head({ payloads: [{ type: 'x' }, { type: 'x' }] }), 'unsupported-feature'],
  'another key': [head({ x: 1 }), 'header-invalid'],
  'no provides': [head({ artifact_provides: undefined }), 'header-invalid'],
  'no name': [provides({}), 'header-invalid'],
  'an empty name': [provides({ artifact_name: '' }), 'header-invalid'],
  'a name that is a number': [provides({ artifact_name: 1 }), 'header-invalid'],
  'a name that is a list': [provides({ artifact_name: ['n'] }), 'header-invalid'],
  'a name with a line end': [provides({ artifact_name: 'a\nb' }), 'header-invalid'],
  'a name with a tab': [provides({ artifact_name: 'a\tb' }), 'header-invalid'],
  'a name with an escape': [provides({ artifact_name: '\u001b[2J' }), 'header-invalid'],
  'a name with a zero-width space': [provides({ artifact_name: 'a\u200bb' }), 'header-invalid'],
  'a name with a no-break space': [provides({ artifact_name: 'a\u00a0b' }), 'header-invalid'],
  'a name of 256 bytes': [provides({ artifact_name: 'n'.repeat(256) }), 'taken'],
  'a name of 257 bytes': [provides({ artifact_name: 'n'.repeat(257) }), 'header-invalid'],
  'a name of 129 letters of two bytes': [provides({ artifact_name: 'ü'.repeat(129) }), 'header-invalid'],
  'a name with a space and umlauts': [provides({ artifact_name: 'Über uns 1' }), 'taken'],
  'a group that is a list': [provides({ artifact_name: 'n', artifact_group: ['g'] }), 'header-invalid'],
  'a group with a line end': [provides({ artifact_name: 'n', artifact_group: 'a\n' }), 'header-invalid'],
  'another key in provides': [provides({ artifact_name: 'n', x: 'y' }), 'header-invalid'],
  'no depends': [head({ artifact_depends: undefined }), 'header-invalid'],
  'depends null': [depends(null), 'header-invalid'],
  'no device types': [depends({}), 'header-invalid'],
  'an empty list of device types': [depends({ device_type: [] }), 'header-invalid'],
  'a device type that is a string': [depends({ device_type: 'd' }), 'header-invalid'],
  'an empty device type': [depends({ device_type: [''] }), 'header-invalid'],
  'a device type that is a number': [depends({ device_type: [1] }), 'header-invalid'],
  'a device type with a line end': [depends({ device_type: ['a\nb'] }), 'header-invalid'],
  'a device type of 257 bytes': [depends({ device_type: ['d'.repeat(257)] }), 'header-invalid'],
  'depends on a name that is a string': [depends({ device_type: ['d'], artifact_name: 'n' }), 'header-invalid'],
  'depends on a group of 257 bytes': [
    depends({ device_type: ['d'], artifact_group: ['g'.repeat(257)] }),
    'header-invalid',
  ],
  'another key in depends': [depends({ device_type: ['d'], x: ['y'] }), 'header-invalid'],
  'a list': [{ info: '[]' }, 'header-invalid'],
  null: [{ info: 'null' }, 'header-invalid'],
  nothing: [{ info: '' }, 'header-invalid'],
  'no end': [{ info: '{"payloads":' }, 'header-invalid'],
  'something behind': [{ info: `${text(info)}{}` }, 'header-invalid'],
  'keys in capitals': [{ info: text(info).replace('payloads', 'Payloads') }, 'header-invalid'],
  'more than 1 MiB': [{ info: text(info) + ' '.repeat(1 << 20) }, 'limit-exceeded'],
  'a payload type ..': [{ ...head({ payloads: [{ type: '..' }] }), typeInfo: { type: '..' } }, 'header-invalid'],
  'a payload type with a slash': [
    { ...head({ payloads: [{ type: 'a/b' }] }), typeInfo: { type: 'a/b' } },
    'header-invalid',
  ],
  'a payload type with NUL': [
    { ...head({ payloads: [{ type: 'a\0' }] }), typeInfo: { type: 'a\0' } },
    'header-invalid',
  ],
});

check('type-info (§6.2)', {
  'another type': [{ typeInfo: { type: 'y' } }, 'type-mismatch'],
  'an empty type': [{ typeInfo: { type: '' } }, 'type-mismatch'],
  'type null': [{ typeInfo: { type: null } }, 'type-mismatch'],
  'no type': [{ typeInfo: {} }, 'type-mismatch'],
  'a type that is a number': [{ typeInfo: { type: 1 } }, 'header-invalid'],
  'an empty type for a rootfs-image': [
    { ...head({ payloads: [{ type: 'rootfs-image' }] }), typeInfo: { type: '' } },
    'taken',
  ],
  'provides that are a list': [{ typeInfo: { type: 'x', artifact_provides: [] } }, 'header-invalid'],
  'a provided number': [{ typeInfo: { type: 'x', artifact_provides: { a: 1 } } }, 'header-invalid'],
  'a provided list': [{ typeInfo: { type: 'x', artifact_provides: { a: ['b'] } } }, 'header-invalid'],
  'a provided null': [{ typeInfo: { type: 'x', artifact_provides: { a: null } } }, 'header-invalid'],
  'a depended list': [{ typeInfo: { type: 'x', artifact_depends: { a: ['b', 'c'] } } }, 'taken'],
  'a depended number': [{ typeInfo: { type: 'x', artifact_depends: { a: 1 } } }, 'header-invalid'],
  'a depended list of numbers': [{ typeInfo: { type: 'x', artifact_depends: { a: [1] } } }, 'header-invalid'],
  'clears that are a string': [{ typeInfo: { type: 'x', clears_artifact_provides: '*' } }, 'header-invalid'],
  'clears that are numbers': [{ typeInfo: { type: 'x', clears_artifact_provides: [1] } }, 'header-invalid'],
  'clears of nothing': [{ typeInfo: { type: 'x', clears_artifact_provides: [] } }, 'taken'],
  'provides of artifact_name': [
    { typeInfo: { type: 'x', artifact_provides: { artifact_name: 'm' } } },
    'header-invalid',
  ],
  'provides of artifact_group': [
    { typeInfo: { type: 'x', artifact_provides: { artifact_group: 'm' } } },
    'header-invalid',
  ],
  'depends on device_type': [{ typeInfo: { type: 'x', artifact_depends: { device_type: 'm' } } }, 'header-invalid'],
  'a list': [{ typeInfo: '[]' }, 'header-invalid'],
  nothing: [{ typeInfo: '' }, 'header-invalid'],
  'no JSON': [{ typeInfo: 'x' }, 'header-invalid'],
});

check('meta-data (§6.3)', {
  'an object': [{ metaData: { a: [1, { b: null }], c: true } }, 'taken'],
  nothing: [{ metaData: '' }, 'taken'],
  'a list': [{ metaData: '[]' }, 'header-invalid'],
  'a string': [{ metaData: '"x"' }, 'header-invalid'],
  'a number': [{ metaData: '1' }, 'header-invalid'],
  null: [{ metaData: 'null' }, 'header-invalid'],
  'no JSON': [{ metaData: '{a:1}' }, 'header-invalid'],
  'a space': [{ metaData: ' ' }, 'header-invalid'],
  'a depth of 10 000': [{ metaData: `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}` }, 'limit-exceeded'],
  'more than 1 MiB': [{ metaData: `{"a":"${'x'.repeat(1 << 20)}"}` }, 'limit-exceeded'],
});

const named = (name: string) => ({ scripts: [name] });
check('state scripts (§6.4)', {
  'all states and transitions': [
    {
      scripts: ['Install', 'Reboot', 'Rollback', 'RollbackReboot', 'Commit', 'Failure'].flatMap((state) =>
        ['Enter', 'Leave', 'Error'].map((when) => `Artifact${state}_${when}_00`),
      ),
    },
    'taken',
  ],
  'a description': [named('ArtifactInstall_Enter_99_stop-it.sh'), 'taken'],
  'a state of the device': [named('Idle_Enter_00'), 'script-name-invalid'],
  Sync: [named('Sync_Leave_00'), 'script-name-invalid'],
  Download: [named('Download_Enter_00'), 'script-name-invalid'],
  'an unknown state': [named('ArtifactBoot_Enter_00'), 'script-name-invalid'],
  'an unknown transition': [named('ArtifactInstall_Begin_00'), 'script-name-invalid'],
  'one digit': [named('ArtifactInstall_Enter_0'), 'script-name-invalid'],
  'three digits': [named('ArtifactInstall_Enter_000'), 'script-name-invalid'],
  'no digits': [named('ArtifactInstall_Enter'), 'script-name-invalid'],
  'an ending without an underscore': [named('ArtifactInstall_Enter_00.sh'), 'script-name-invalid'],
  'an empty description': [named('ArtifactInstall_Enter_00_'), 'script-name-invalid'],
  'a space': [named('ArtifactInstall_Enter_00_a b'), 'script-name-invalid'],
  'a slash': [named('ArtifactInstall_Enter_00_a/b'), 'script-name-invalid'],
  'a way out': [named('ArtifactInstall_Enter_00_x/../../y'), 'script-name-invalid'],
  'something in front': [named('xArtifactInstall_Enter_00'), 'script-name-invalid'],
  'no name': [named(''), 'script-name-invalid'],
  'the file version': [named('version'), 'script-name-invalid'],
  twice: [{ scripts: ['ArtifactInstall_Enter_00', 'ArtifactInstall_Enter_00'] }, 'duplicate-member'],
});

const infoEntry = ['header-info', text(info)] as const;
const typeEntry = ['headers/0000/type-info', '{"type":"x"}'] as const;
const metaEntry = ['headers/0000/meta-data', '{}'] as const;
const scriptEntry = ['scripts/ArtifactInstall_Enter_00', 'x'] as const;
const header = (...entries: Entry[]) => ({ header: entries });
check('header.tar (§6)', {
  nothing: [header(), 'header-invalid', 'missing-member'],
  'no header-info': [header(typeEntry), 'bad-order', 'header-invalid'],
  'no type-info': [header(infoEntry), 'header-invalid', 'missing-member'],
  'header-info second': [header(typeEntry, infoEntry), 'bad-order'],
  'scripts first': [header(scriptEntry, infoEntry, typeEntry), 'bad-order'],
  'scripts last': [header(infoEntry, typeEntry, scriptEntry), 'bad-order'],
  'meta-data before type-info': [header(infoEntry, metaEntry, typeEntry), 'bad-order'],
  'header-info twice': [header(infoEntry, infoEntry, typeEntry), 'duplicate-member'],
  'type-info twice': [header(infoEntry, typeEntry, typeEntry), 'duplicate-member'],
  'meta-data twice': [header(infoEntry, typeEntry, metaEntry, metaEntry), 'duplicate-member'],
  'another file': [header(infoEntry, typeEntry, ['x', 'x']), 'unexpected-member'],
  'another file of the payload': [header(infoEntry, typeEntry, ['headers/0000/x', 'x']), 'unexpected-member'],
  'the file list of format 2': [header(infoEntry, ['headers/0000/files', '{}'], typeEntry), 'unexpected-member'],
  'a header of a second payload': [
    header(infoEntry, typeEntry, ['headers/0001/type-info', '{"type":"x"}']),
    'unexpected-member',
  ],
  'an index of one digit': [header(infoEntry, ['headers/0/type-info', '{"type":"x"}']), 'unexpected-member'],
  'header-info.bak': [header(['header-info.bak', text(info)], typeEntry), 'unexpected-member'],
  'a link': [header(infoEntry, typeEntry, special('headers/0000/meta-data', '2')), 'tar-corrupt'],
  folders: [header(infoEntry, special('headers/', '5'), typeEntry), 'taken'],
  '1001 folders': [
    header(infoEntry, ...Array.from({ length: 1001 }, () => special('headers/', '5')), typeEntry),
    'limit-exceeded',
  ],
  'a script of 5 MiB': [
    header(infoEntry, ['scripts/ArtifactInstall_Enter_00', Buffer.alloc(5 << 20)], typeEntry),
    'limit-exceeded',
  ],
  'junk behind its end': [
    { headerTar: Buffer.concat([archive(infoEntry, typeEntry), Buffer.from('junk')]) },
    'trailing-data',
  ],
  'no end mark': [{ headerTar: Buffer.concat([infoEntry, typeEntry].map(entry)) }, 'taken'],
  'an end in the middle of a file': [{ headerTar: archive(infoEntry, typeEntry).subarray(0, 700) }, 'truncated'],
  'gzip that is plain': [{ headerName: 'header.tar.gz' }, 'compression-corrupt'],
  'plain that is gzip': [
    { headerTar: gzipSync(archive(infoEntry, typeEntry)) },
    'tar-corrupt',
    'compression-corrupt',
    'truncated',
  ],
  'zstd that is gzip': [
    { headerName: 'header.tar.zst', headerTar: gzipSync(archive(infoEntry, typeEntry)) },
    'compression-corrupt',
  ],
  'xz that is gzip': [
    { headerName: 'header.tar.xz', headerTar: gzipSync(archive(infoEntry, typeEntry)) },
    'compression-corrupt',
  ],
  'gzip that stops early': [
    { headerName: 'header.tar.gz', headerTar: gzipSync(archive(infoEntry, typeEntry)).subarray(0, -9) },
    'truncated',
    'compression-corrupt',
  ],
  'gzip and junk': [
    {
      headerName: 'header.tar.gz',
      headerTar: Buffer.concat([gzipSync(archive(infoEntry, typeEntry)), Buffer.from('junk')]),
    },
    'compression-corrupt',
    'trailing-data',
  ],
  zstd: [{ headerName: 'header.tar.zst', headerTar: zstdCompressSync(archive(infoEntry, typeEntry)) }, 'taken'],
  'a bomb': [
    {
      headerName: 'header.tar.gz',
      headerTar: gzipSync(archive(infoEntry, typeEntry, ['headers/0000/meta-data', Buffer.alloc(64 << 20, ' ')])),
    },
    'limit-exceeded',
  ],
});

const file = (name: string, content = 'content'): Parts => ({ files: { [name]: content } });
const long = (name: string) =>
  Buffer.concat([
    patched('././@LongLink', name.length + 1, 156, 'L'),
    Buffer.from(`${name}\0`),
    tarPadding(name.length + 1),
  ]);
const pax = (record: string) =>
  Buffer.concat([patched('PaxHeaders.0/x', record.length, 156, 'x'), Buffer.from(record), tarPadding(record.length)]);
const after = (extension: Buffer) => ({ data: [Buffer.concat([extension, member('f', 'content')])] });
check('payload files (§8)', {
  'no files': [{ files: {} }, 'taken'],
  'an empty file': [file('f', ''), 'taken'],
  'a name with all that is allowed': [file('a-Z_0.,'), 'taken'],
  'a name of 300 letters': [file('f'.repeat(300)), 'taken'],
  'a file that is not listed': [
    {
      data: [
        ['f', 'content'],
        ['g', 'x'],
      ],
    },
    'manifest-entry-missing',
  ],
  'a file that is missing': [{ data: [] }, 'manifest-entry-unused'],
  'a file twice': [
    {
      data: [
        ['f', 'content'],
        ['f', 'content'],
      ],
    },
    'duplicate-member',
  ],
  'other content': [{ data: [['f', 'CONTENT']] }, 'checksum-mismatch'],
  'content with a byte more': [{ data: [['f', 'content\n']] }, 'checksum-mismatch'],
  'contents that change places': [
    {
      files: { f: '1', g: '2' },
      data: [
        ['f', '2'],
        ['g', '1'],
      ],
    },
    'checksum-mismatch',
  ],
  'files in another order': [
    {
      files: { f: '1', g: '2' },
      data: [
        ['g', '2'],
        ['f', '1'],
      ],
    },
    'taken',
  ],
  '..': [file('..'), 'payload-name-invalid'],
  '.': [file('.'), 'payload-name-invalid'],
  'a way out': [file('../f'), 'payload-name-invalid'],
  'an absolute path': [file('/etc/passwd'), 'payload-name-invalid'],
  'a folder': [file('a/b'), 'payload-name-invalid'],
  './ in front': [file('./f'), 'payload-name-invalid'],
  'a backslash': [file(String.raw`..\f`), 'payload-name-invalid'],
  'a colon': [file('C:f'), 'payload-name-invalid'],
  'an umlaut': [file('ü'), 'payload-name-invalid'],
  'a space': [file('a b'), 'manifest-malformed', 'payload-name-invalid'],
  'a dollar': [file('$HOME'), 'payload-name-invalid'],
  'a link': [{ data: [special('f', '2')], files: { f: '' } }, 'payload-type-invalid'],
  'a hard link': [{ data: [special('f', '1')], files: { f: '' } }, 'payload-type-invalid'],
  'a device': [{ data: [special('f', '3')], files: { f: '' } }, 'payload-type-invalid'],
  'a FIFO': [{ data: [special('f', '6')], files: { f: '' } }, 'payload-type-invalid'],
  'a folder entry': [{ data: [['f', 'content'], special('g', '5')] }, 'payload-type-invalid', 'payload-name-invalid'],
  'a sparse file': [{ data: [special('f', 'S')], files: { f: '' } }, 'payload-type-invalid', 'tar-corrupt'],
  'a type that nobody knows': [{ data: [special('f', 'Z')], files: { f: '' } }, 'payload-type-invalid', 'tar-corrupt'],
  'a long name that leads out': [after(long('../f')), 'payload-name-invalid'],
  'a pax path that leads out': [after(pax('13 path=../f\n')), 'payload-name-invalid'],
  'a pax path': [after(pax('10 path=f\n')), 'taken'],
  'a pax path with NUL': [after(pax('12 path=f\0x\n')), 'tar-corrupt', 'payload-name-invalid'],
  'a pax size that is too large': [after(pax('19 size=9999999999\n')), 'truncated'],
  'a pax size that is negative': [after(pax('11 size=-1\n')), 'tar-corrupt'],
  'a pax record that lies about its length': [after(pax('99 path=f\n')), 'tar-corrupt'],
  'a pax record of 64 KiB and more': [after(pax(`65546 comment=${'x'.repeat(65_531)}\n`)), 'limit-exceeded'],
  'a pax record and nothing behind': [{ data: [['f', 'content'], pax('10 path=f\n')] }, 'truncated', 'tar-corrupt'],
  'junk behind the end': [
    { dataTar: Buffer.concat([archive(['f', 'content']), Buffer.from('junk')]) },
    'trailing-data',
  ],
  'zeros behind the end, as tar pads': [
    { dataTar: Buffer.concat([archive(['f', 'content']), Buffer.alloc(9 * 1024)]) },
    'taken',
  ],
  'a MiB of zeros behind the end': [
    { dataTar: Buffer.concat([archive(['f', 'content']), Buffer.alloc(1 << 20)]) },
    'limit-exceeded',
    'trailing-data',
  ],
  'one zero block, then another file': [
    { dataTar: Buffer.concat([member('f', 'content'), Buffer.alloc(512), member('g', '')]) },
    'trailing-data',
  ],
  'no end mark': [{ dataTar: member('f', 'content') }, 'taken'],
  'an end within a file': [{ dataTar: member('f', 'content').subarray(0, 514) }, 'truncated'],
  'an end within a tar header': [{ dataTar: member('f', 'content').subarray(0, 300) }, 'truncated'],
  'an end within the padding': [{ dataTar: member('f', 'content').subarray(0, 600) }, 'truncated'],
  'no bytes at all': [{ dataTar: Buffer.alloc(0), files: {} }, 'taken', 'truncated'],
  'a header whose checksum is wrong': [{ dataTar: member('f', 'content').fill('g', 0, 1) }, 'tar-corrupt'],
  'gzip that is plain': [{ dataName: 'data/0000.tar.gz' }, 'compression-corrupt'],
  'gzip with a wrong checksum': [
    { dataName: 'data/0000.tar.gz', dataTar: flipped(gzipSync(archive(['f', 'content'])), -6) },
    'compression-corrupt',
  ],
  'gzip without its trailer': [
    { dataName: 'data/0000.tar.gz', dataTar: gzipSync(archive(['f', 'content'])).subarray(0, -8) },
    'truncated',
    'compression-corrupt',
  ],
  'gzip and junk': [
    {
      dataName: 'data/0000.tar.gz',
      dataTar: Buffer.concat([gzipSync(archive(['f', 'content'])), Buffer.from('junk')]),
    },
    'compression-corrupt',
    'trailing-data',
  ],
  'gzip and zeros': [
    { dataName: 'data/0000.tar.gz', dataTar: Buffer.concat([gzipSync(archive(['f', 'content'])), Buffer.alloc(512)]) },
    'compression-corrupt',
    'trailing-data',
    'taken',
  ],
  'zstd that stops early': [
    { dataName: 'data/0000.tar.zst', dataTar: zstdCompressSync(archive(['f', 'content'])).subarray(0, -3) },
    'truncated',
    'compression-corrupt',
  ],
  'zstd in several frames': [
    {
      dataName: 'data/0000.tar.zst',
      dataTar: Buffer.concat([member('f', 'content'), tarEnd].map((part) => zstdCompressSync(part))),
    },
    'taken',
  ],
  'another compression than the header': [
    { dataName: 'data/0000.tar.gz', dataTar: gzipSync(archive(['f', 'content'])) },
    'taken',
  ],
  'two files of a rootfs-image': [
    {
      ...head({ payloads: [{ type: 'rootfs-image' }] }),
      typeInfo: { type: 'rootfs-image' },
      files: { f: '1', g: '2' },
    },
    'header-invalid',
    'unexpected-member',
  ],
});

const empty = { ...head({ payloads: [{ type: null }] }), typeInfo: { type: null }, files: {} };
check('empty payload (§11)', {
  'nothing wrong': [empty, 'taken'],
  'no data member': [{ ...empty, members: without(3) }, 'taken'],
  provides: [{ ...empty, typeInfo: { type: null, artifact_provides: { a: 'b' } } }, 'taken'],
  'a file': [{ ...empty, files: { f: '' } }, 'empty-payload-violation'],
  'a file that is not listed': [{ ...empty, data: [['f', '']] }, 'empty-payload-violation', 'manifest-entry-missing'],
  'meta-data': [{ ...empty, metaData: {} }, 'empty-payload-violation'],
  'empty meta-data': [{ ...empty, metaData: '' }, 'empty-payload-violation'],
  scripts: [{ ...empty, scripts: ['ArtifactInstall_Enter_00'] }, 'empty-payload-violation'],
  'a type in type-info': [{ ...empty, typeInfo: { type: 'x' } }, 'type-mismatch', 'empty-payload-violation'],
  'an empty type in type-info': [{ ...empty, typeInfo: { type: '' } }, 'type-mismatch', 'empty-payload-violation'],
});

const extra = (...entries: Entry[]) => archive(...entries);
const goodAugment = extra(['header-info', text({ payloads: [{ type: 'x' }] })], typeEntry, [
  'headers/0000/meta-data',
  '{"a":1}',
]);
const augmented = (tar: Buffer, more = '', manifest = line('header-augment.tar', tar)): Parts => ({
  augment: { manifest: manifest + more, header: tar },
});
check('augmented parts (§7)', {
  'nothing wrong': [augmented(goodAugment), 'taken'],
  'another checksum': [augmented(goodAugment, '', `${zeros}  header-augment.tar\n`), 'checksum-mismatch'],
  'no line for its header': [augmented(goodAugment, '', ''), 'manifest-entry-missing', 'manifest-malformed'],
  'a line for the header': [augmented(goodAugment, `${zeros}  header.tar.gz\n`), 'manifest-malformed'],
  'a line for the version': [augmented(goodAugment, `${zeros}  version\n`), 'manifest-malformed'],
  'a file of the signed part': [augmented(goodAugment, line('data/0000/f', 'content')), 'manifest-malformed'],
  'a file that never comes': [augmented(goodAugment, line('data/0000/g', '')), 'manifest-entry-unused'],
  'a file of its own': [
    {
      ...augmented(goodAugment, line('data/0000/g', '2')),
      data: [
        ['f', 'content'],
        ['g', '2'],
      ],
    },
    'taken',
  ],
  scripts: [
    augmented(extra(['header-info', text({ payloads: [{ type: 'x' }] })], scriptEntry, typeEntry)),
    'unexpected-member',
  ],
  'no header-info': [augmented(extra(typeEntry)), 'bad-order', 'header-invalid'],
  'no manifest-augment': [{ ...augmented(goodAugment), members: without(2) }, 'bad-order', 'unexpected-member'],
  'no header-augment': [{ ...augmented(goodAugment), members: without(4) }, 'missing-member'],
  'header-augment before header': [{ ...augmented(goodAugment), members: swap(3) }, 'bad-order'],
  'manifest-augment twice': [{ ...augmented(goodAugment), members: twice(2) }, 'duplicate-member'],
  'of an empty payload': [{ ...empty, ...augmented(goodAugment) }, 'empty-payload-violation'],
  'a signed header only there': [
    { ...augmented(goodAugment, ''), manifest: (all) => all.replace(/^.*header.*\n/m, '') },
    'manifest-entry-missing',
  ],
});

const info2 = { artifact_name: 'n', updates: [{ type: 'rootfs-image' }], device_types_compatible: ['d'] };
const v2 = (head2: unknown, ...more: Entry[]): Parts => ({
  version: '{"format":"mender","version":2}',
  header: [['header-info', text(head2)], ...more],
});
const files2 = ['headers/0000/files', '{"files":["f"]}'] as const;
const type2 = ['headers/0000/type-info', '{"type":"rootfs-image"}'] as const;
check('format 2 (§15)', {
  'nothing wrong': [v2(info2, files2, type2), 'taken'],
  'checksums of older tools': [v2(info2, files2, type2, ['headers/0000/checksums/f.sha256sum', 'x']), 'taken'],
  'no file list': [v2(info2, type2), 'header-invalid', 'missing-member'],
  'another file list': [
    v2(info2, ['headers/0000/files', '{"files":["g"]}'], type2),
    'header-invalid',
    'manifest-entry-missing',
  ],
  'the header of format 3': [v2(info, files2, type2), 'header-invalid'],
  'no device types': [v2({ ...info2, device_types_compatible: [] }, files2, type2), 'header-invalid'],
  'no name': [v2({ ...info2, artifact_name: '' }, files2, type2), 'header-invalid'],
  'a manifest-augment': [{ ...v2(info2, files2, type2), ...augmented(goodAugment) }, 'unexpected-member', 'bad-order'],
});

describe('the outer tar (§2)', () => {
  const good = artifact({});
  test('ends at any place short of its end, and is refused as truncated or as missing the rest', async () => {
    for (let length = 0; length < good.length - 1024; length += 61) {
      const said = await verdict(good.subarray(0, length));
      expect(['truncated', 'missing-member'], `at ${length}`).toContain(said);
      if (length % 512) expect(said, `at ${length}`).toBe('truncated');
    }
  });

  test.each<[string, Buffer, ...string[]]>([
    ['one zero block at its end', good.subarray(0, -512), 'taken'],
    ['no zero block at its end', good.subarray(0, -1024), 'taken'],
    ['padding to 10 KiB', Buffer.concat([good, Buffer.alloc(8 * 1024)]), 'taken'],
    ['junk behind', Buffer.concat([good, Buffer.from('x')]), 'trailing-data'],
    ['another artifact behind', Buffer.concat([good, good]), 'trailing-data'],
    ['a megabyte of zeros behind', Buffer.concat([good, Buffer.alloc(1 << 20)]), 'limit-exceeded', 'trailing-data'],
    ['a byte in front', Buffer.concat([Buffer.from('x'), good]), 'tar-corrupt'],
    ['a gzip of it', gzipSync(good), 'tar-corrupt', 'truncated'],
    ['text', Buffer.from('<html>'.repeat(200)), 'tar-corrupt'],
    ['zeros only', Buffer.alloc(1024), 'truncated', 'missing-member'],
    ['a size that is no number', Buffer.concat([patched('version', 31, 124, 'x'), good.subarray(512)]), 'tar-corrupt'],
    [
      'a negative size',
      Buffer.concat([
        patched('version', 31, 124, '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff'),
        good.subarray(512),
      ]),
      'tar-corrupt',
    ],
    [
      'a version of 8 GiB',
      Buffer.concat([patched('version', 31, 124, '77777777777'), good.subarray(512)]),
      'limit-exceeded',
    ],
    [
      'a header of 2^60 bytes',
      Buffer.concat([
        good.subarray(0, 2048),
        patched('header.tar', 0, 124, '\x80\0\0\0\x10\0\0\0\0\0\0\0'),
        good.subarray(2560),
      ]),
      'limit-exceeded',
    ],
    [
      'a manifest of 8 GiB',
      Buffer.concat([good.subarray(0, 1024), patched('manifest', 0, 124, '77777777777'), good.subarray(1536)]),
      'limit-exceeded',
    ],
  ])('has %s', async (_, bytes, ...verdicts) => {
    expect(verdicts).toContain(await verdict(bytes));
  });
});
