import { createHash } from 'node:crypto';
import type { Writable } from 'node:stream';
import { CodedError } from '#base/errors';
import { compress } from './compressor.ts';
import { packGzip, packZstd, type Hole } from './header-packer.ts';
import { headerTar } from './header-writer.ts';
import { formatManifest } from './manifest.ts';
import { dataStem, payloadPrefix, suffixOf, type Compression } from './names.ts';
import { FileOutput, MemoryOutput, StreamOutput, type Output } from './output.ts';
import { checkSpec, type ArtifactSpec, type PayloadSource } from './spec.ts';
import { blockSize } from './tar-header.ts';
import { tarEnd, tarHeader, tarMember, tarPadding } from './tar-writer.ts';
import { versionFile } from './version.ts';

/** What was written. */
export interface Written {
  /** Bytes of the artifact. */
  readonly size: number;
  readonly files: readonly { readonly name: string; readonly size: number; readonly checksum: string }[];
}

export interface WriteOptions {
  /** Told of payload bytes as they are read. */
  readonly progress?: (bytes: number) => void;
  /** Bytes that the artifact may have at most; beyond, `artifact_too_large`. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/**
 * Writes an artifact to a path, where it appears only when it is complete, or to a stream, for which the compressed
 * payload waits in a temporary file. The payload is read once. Throws `invalid_spec`, or what the sources throw.
 */
export async function writeArtifact(
  spec: ArtifactSpec,
  output: string | Writable,
  options: WriteOptions = {},
): Promise<Written> {
  return write(spec, typeof output === 'string' ? new FileOutput(output) : new StreamOutput(output), options);
}

/** A small artifact as bytes. */
export async function artifactBytes(spec: ArtifactSpec): Promise<Buffer> {
  const output = new MemoryOutput();
  await write(spec, output, {});
  return output.bytes();
}

async function write(spec: ArtifactSpec, output: Output, options: WriteOptions): Promise<Written> {
  checkSpec(spec);
  const compression = spec.compression ?? 'gzip';
  const packed = await packHeader(spec, compression);
  const front = layOut(spec, compression, packed.length);
  try {
    await output.open(front + blockSize);
    const files: { name: string; size: number; checksum: string }[] = [];
    let size = 0;
    for await (const chunk of compress(compression, dataTar(spec, files, options), spec.compressionLevel)) {
      size += chunk.length;
      checkSize(front + size, options.limit);
      await output.append(chunk);
    }
    await output.append(Buffer.concat([tarPadding(size), tarEnd]));
    const prefix = await prefixOf(spec, compression, packed.with(files[0]?.checksum), files);
    if (prefix.length !== front)
      throw new CodedError('signature_unusable', 'the signature is not as long as the signer said');
    const name = dataStem + suffixOf(compression);
    const header = tarHeader({ name, size, mode: 0o600, modified: spec.timestamp ?? 0 });
    await output.finish(Buffer.concat([prefix, header]));
    return { size: front + blockSize + size + tarPadding(size).length + tarEnd.length, files };
  } catch (error) {
    await output.abandon();
    throw error;
  }
}

function checkSize(size: number, limit: number | undefined): void {
  if (limit !== undefined && size > limit)
    throw new CodedError('artifact_too_large', `the artifact is larger than ${limit} bytes`);
}

/** header.tar as it will be stored: its length is known before the checksum that goes into it. */
interface PackedHeader {
  readonly length: number;
  with(checksum: string | undefined): Buffer;
}

async function packHeader(spec: ArtifactSpec, compression: Compression): Promise<PackedHeader> {
  let { tar, hole } = headerTar(spec);
  if (compression === 'lzma') {
    // xz has no form whose length is known beforehand: the payload must be read twice.
    if (hole) tar = filled(tar, hole, await checksumOf(spec.payload.files[0]));
    const packed = await collect(compress('lzma', single(tar)));
    return { length: packed.length, with: () => packed };
  }
  const pack = { none: (bytes: Buffer) => bytes, gzip: packGzip, zstd: packZstd }[compression];
  const packed = pack(tar, hole);
  return {
    length: packed.length,
    with: (checksum) => (hole && checksum ? pack(filled(tar, hole, checksum), hole) : packed),
  };
}

function filled(tar: Buffer, hole: Hole, checksum: string): Buffer {
  const copy = Buffer.from(tar);
  copy.write(checksum, hole.at, 'latin1');
  return copy;
}

async function checksumOf(source: PayloadSource | undefined): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of source?.content() ?? []) hash.update(chunk);
  return hash.digest('hex');
}

const signatureName = 'manifest.sig';
const base64Length = (bytes: number) => Math.ceil(bytes / 3) * 4;
const memberLength = (content: number) => blockSize + content + tarPadding(content).length;

/** Bytes of the members before data/0000.tar. */
function layOut(spec: ArtifactSpec, compression: Compression, header: number): number {
  const names = [
    ...spec.payload.files.map(({ name }) => payloadPrefix + name),
    `header.tar${suffixOf(compression)}`,
    'version',
  ];
  const manifest = names.reduce((sum, name) => sum + 64 + 2 + name.length + 1, 0);
  const signature = spec.signer ? memberLength(base64Length(spec.signer.length)) : 0;
  return memberLength(versionFile().length) + memberLength(manifest) + signature + memberLength(header);
}

async function prefixOf(
  spec: ArtifactSpec,
  compression: Compression,
  header: Buffer,
  files: readonly { name: string; checksum: string }[],
): Promise<Buffer> {
  const version = versionFile(spec.version);
  const headerName = `header.tar${suffixOf(compression)}`;
  const manifest = formatManifest([
    ...files.map(({ name, checksum }) => ({ name: payloadPrefix + name, checksum })),
    { name: headerName, checksum: sha256(header) },
    { name: 'version', checksum: sha256(version) },
  ]);
  const signature = spec.signer && Buffer.from(Buffer.from(await spec.signer.sign(manifest)).toString('base64'));
  return Buffer.concat([
    tarMember('version', version, 0o600, 0),
    tarMember('manifest', manifest, 0o600, 0),
    ...(signature ? [tarMember(signatureName, signature, 0o600, 0)] : []),
    tarMember(headerName, header, 0o600, spec.timestamp ?? 0),
  ]);
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** data/0000.tar, uncompressed. `files` gets what went through it. */
async function* dataTar(
  spec: ArtifactSpec,
  files: { name: string; size: number; checksum: string }[],
  { progress, signal }: WriteOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const { name, size, modified, content } of spec.payload.files) {
    yield tarHeader({ name, size, mode: 0o644, modified: spec.timestamp ?? modified });
    const hash = createHash('sha256');
    let had = 0;
    for await (const chunk of content()) {
      signal?.throwIfAborted();
      had += chunk.length;
      hash.update(chunk);
      progress?.(chunk.length);
      yield chunk;
    }
    if (had !== size)
      throw new CodedError('source_changed', `file ${name}: ${had} bytes came where ${size} were expected`);
    files.push({ name, size, checksum: hash.digest('hex') });
    yield tarPadding(size);
  }
  yield tarEnd;
}

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
  yield bytes;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}
