import type { StateScript } from './artifact.ts';
import { ByteReader } from './byte-reader.ts';
import { decode } from './decoder.ts';
import { ArtifactError, shown } from './errors.ts';
import type { Limits } from './limits.ts';
import { isScriptName, type Compression } from './names.ts';
import type { TarHeader } from './tar-header.ts';
import { TarReader } from './tar-reader.ts';

/** The files of a header.tar, as stored in it. */
export interface HeaderArchive {
  readonly headerInfo: Uint8Array;
  readonly scripts: readonly StateScript[];
  readonly typeInfo: Uint8Array;
  /** Undefined: there is no such file. A file of no bytes says the same, but not for an empty payload. */
  readonly metaData: Uint8Array | undefined;
  /** The file list of format 2. */
  readonly files: Uint8Array | undefined;
}

/** Which part of an artifact a header.tar is. They differ in what may be inside. */
export type HeaderKind = 'v3' | 'v2' | 'augment';

const payloadHeader = 'headers/0000/';

/** The place of a file in the order of a header; files of equal rank may come in any order. */
function rankOf(name: string, kind: HeaderKind, member: string): number {
  if (name === 'header-info') return 0;
  if (name.startsWith('scripts/')) {
    if (kind === 'augment') throw new ArtifactError('unexpected-member', `${member}: scripts have no place there`);
    if (!isScriptName(name.slice('scripts/'.length)))
      throw new ArtifactError('script-name-invalid', `${member}: ${shown(name)}: not the name of a state script`);
    return 1;
  }
  const file = name.startsWith(payloadHeader) ? name.slice(payloadHeader.length) : '';
  if (kind === 'v2') {
    if (/^(?:files|type-info|meta-data)$/.test(file)) return 2;
    if (isIgnored(name)) return 2;
  } else {
    if (file === 'type-info') return 2;
    if (file === 'meta-data') return 3;
  }
  throw new ArtifactError('unexpected-member', `${member}: ${shown(name)} has no place there`);
}

function isIgnored(name: string): boolean {
  return /^headers\/0000\/(?:checksums|signatures)\/[^/]+$/.test(name);
}

/** Unpacks a header.tar whose stored bytes are already known to be the right ones. `member` names it in errors. */
export async function readHeaderArchive(
  stored: Uint8Array,
  compression: Compression,
  member: string,
  kind: HeaderKind,
  limits: Limits,
): Promise<HeaderArchive> {
  const bytes = new ByteReader(decode(compression, once(stored), member));
  try {
    return await collect(new TarReader(bytes, member, limits), member, kind, limits);
  } finally {
    bytes.close();
  }
}

async function collect(tar: TarReader, member: string, kind: HeaderKind, limits: Limits): Promise<HeaderArchive> {
  const found = new Map<string, Uint8Array>();
  let before = 0;
  let scripts = 0;
  let entries = 0;
  for (let entry; (entry = await tar.next());) {
    if (++entries > limits.headerEntries)
      throw new ArtifactError('limit-exceeded', `${member}: more than ${limits.headerEntries} entries`);
    if (!isFile(entry, member)) continue;
    if (/^headers\/(?!0000)\d{4}\//.test(entry.name) && claimsSeveral(found.get('header-info')))
      throw new ArtifactError('unsupported-feature', `${member}: several payloads, only one is supported`);
    const rank = rankOf(entry.name, kind, member);
    if (found.has(entry.name))
      throw new ArtifactError('duplicate-member', `${member}: ${shown(entry.name)} comes twice`);
    if (rank < before || (found.size === 0 && rank > 0))
      throw new ArtifactError(
        'bad-order',
        `${member}: ${shown(entry.name)} comes too ${rank < before ? 'late' : 'early'}`,
      );
    if (rank === 3 && before < 2)
      throw new ArtifactError('bad-order', `${member}: ${shown(entry.name)} comes before type-info`);
    before = rank;
    const isScript = rank === 1;
    const content = await tar.whole(
      entry,
      isScript ? Math.min(limits.script, limits.scripts - scripts) : limits.headerFile,
    );
    if (isScript) scripts += content.length;
    // What format 2 has of checksums and signatures nobody looks at, and there may be many.
    found.set(entry.name, isIgnored(entry.name) ? new Uint8Array() : content);
  }
  return {
    headerInfo: required(found, 'header-info', member),
    scripts: [...found]
      .filter(([name]) => name.startsWith('scripts/'))
      .map(([name, content]) => ({ name: name.slice('scripts/'.length), content })),
    typeInfo: required(found, `${payloadHeader}type-info`, member),
    metaData: found.get(`${payloadHeader}meta-data`),
    files: found.get(`${payloadHeader}files`),
  };
}

/** Whether header-info says that there are several payloads: then files for a second one are no surprise. */
function claimsSeveral(headerInfo: Uint8Array | undefined): boolean {
  try {
    const { payloads } = JSON.parse(Buffer.from(headerInfo ?? []).toString('utf8')) as { payloads?: unknown };
    return Array.isArray(payloads) && payloads.length > 1;
  } catch {
    return false;
  }
}

/** True: a file. Folders are passed over, as plain tar makes them; anything else is refused. */
function isFile(entry: TarHeader, member: string): boolean {
  if (entry.type === '0') return true;
  if (entry.type === '5') return false;
  throw new ArtifactError('tar-corrupt', `${member}: ${shown(entry.name)} is not a regular file`);
}

function required(found: ReadonlyMap<string, Uint8Array>, name: string, member: string): Uint8Array {
  const content = found.get(name);
  if (!content) throw new ArtifactError('header-invalid', `${member}: ${name} is missing`);
  return content;
}

// eslint-disable-next-line typescript/require-await -- an async generator is the shape that decoders take
async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}
