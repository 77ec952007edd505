import { createHash, sign, type KeyObject } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { gzipSync, zstdCompressSync } from 'node:zlib';

/** What an artifact for a test says; all of it has a plain default. */
export interface Recipe {
  readonly name?: string;
  readonly group?: string;
  readonly deviceTypes?: readonly string[];
  readonly type?: string | null;
  readonly files?: Readonly<Record<string, string | Uint8Array>>;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly provides?: Readonly<Record<string, string>>;
  readonly clears?: readonly string[];
  readonly depends?: Readonly<Record<string, string>>;
  /** Names and groups that the device may have now. */
  readonly from?: { readonly artifact_name?: readonly string[]; readonly artifact_group?: readonly string[] };
  readonly metaData?: Readonly<Record<string, unknown>>;
  /** `true`: gzip. */
  readonly compress?: boolean | 'xz' | 'zstd';
  /** Signs the manifest. */
  readonly key?: KeyObject;
}

/** An artifact made byte by byte, so that the tests of the client need no writer but the format. */
export function makeArtifact(recipe: Recipe = {}): Buffer {
  const {
    name = 'release-2',
    group,
    deviceTypes = ['rig'],
    type = 'recorder',
    files = { payload: 'hello\n' },
  } = recipe;
  const { pack, suffix } = compressors[recipe.compress === true ? 'gzip' : recipe.compress || 'none'];
  const version = Buffer.from('{"format":"mender","version":3}');
  const headerInfo = JSON.stringify({
    payloads: [{ type }],
    artifact_provides: { artifact_name: name, ...(group === undefined ? {} : { artifact_group: group }) },
    artifact_depends: { ...recipe.from, device_type: deviceTypes },
  });
  const typeInfo = JSON.stringify({
    type,
    ...(recipe.provides ? { artifact_provides: recipe.provides } : {}),
    ...(recipe.depends ? { artifact_depends: recipe.depends } : {}),
    ...(recipe.clears ? { clears_artifact_provides: recipe.clears } : {}),
  });
  const scripts = Object.entries(recipe.scripts ?? {});
  const header = pack(
    tar([
      ['header-info', headerInfo],
      ...scripts.map(([script, content]): Entry => [`scripts/${script}`, content]),
      ['headers/0000/type-info', typeInfo],
      ...(recipe.metaData ? [['headers/0000/meta-data', JSON.stringify(recipe.metaData)] as Entry] : []),
    ]),
  );
  const payload = Object.entries(type === null ? {} : files);
  const sums: Entry[] = [
    ...payload.map(([file, content]): Entry => [`data/0000/${file}`, sha256(content)]),
    [`header.tar${suffix}`, sha256(header)],
    ['version', sha256(version)],
  ];
  const manifest = Buffer.from(sums.map(([file, sum]) => `${sum as string}  ${file}\n`).join(''));
  const signature = recipe.key && sign('sha256', manifest, { key: recipe.key, dsaEncoding: 'ieee-p1363' });
  return tar([
    ['version', version],
    ['manifest', manifest],
    ...(signature ? [['manifest.sig', signature.toString('base64')] as Entry] : []),
    [`header.tar${suffix}`, header],
    [`data/0000.tar${suffix}`, pack(tar(payload))],
  ]);
}

const compressors = {
  none: { suffix: '', pack: (bytes: Buffer) => bytes },
  gzip: { suffix: '.gz', pack: (bytes: Buffer) => gzipSync(bytes) },
  xz: { suffix: '.xz', pack: (bytes: Buffer) => execFileSync('xz', ['-c'], { input: bytes }) },
  zstd: { suffix: '.zst', pack: (bytes: Buffer) => zstdCompressSync(bytes) },
};

type Entry = [name: string, content: string | Uint8Array];

const sha256 = (content: string | Uint8Array): string => createHash('sha256').update(content).digest('hex');

/** A ustar archive of plain files. */
export function tar(entries: readonly Entry[]): Buffer {
  const blocks = entries.flatMap(([name, content]) => {
    const bytes = Buffer.from(content as Uint8Array);
    const header = Buffer.alloc(512);
    header.write(name, 0, 100);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write('0', 156);
    header.write('ustar\u000000', 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
