import { createHash } from 'node:crypto';
import type { Writable } from 'node:stream';
import { CodedError } from '#base/errors';
import type { Chunks } from './chunks.ts';
import { compress } from './compressor.ts';
import { packGzip, packZstd, type Hole } from './header-packer.ts';
import { augmentTar, headerTar } from './header-writer.ts';
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
  const augment = spec.augment && (await packTar(compression, augmentTar(spec, spec.augment)));
  const front = layOut(spec, compression, packed.length, augment?.length);
  try {
    await output.open(front + blockSize);
    const files: { name: string; size: number; checksum: string }[] = [];
    let size = 0;
    for await (const chunks of compress(compression, dataTar(spec, files, options), spec.compressionLevel)) {
      for (const { length } of chunks) size += length;
      checkSize(front + size, options.limit);
      await output.append(chunks);
    }
    await output.append([tarPadding(size), tarEnd]);
    const prefix = await prefixOf(spec, compression, packed.with(files[0]?.checksum), files, augment);
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
    const packed = await packTar(compression, tar);
    return { length: packed.length, with: () => packed };
  }
  const pack = packers[compression];
  const packed = pack(tar, hole);
  return {
    length: packed.length,
    with: (checksum) => (hole && checksum ? pack(filled(tar, hole, checksum), hole) : packed),
  };
}

const packers = { none: (bytes: Buffer) => bytes, gzip: packGzip, zstd: packZstd };

async function packTar(compression: Compression, tar: Buffer): Promise<Buffer> {
  return compression === 'lzma' ? collect(compress('lzma', single(tar))) : packers[compression](tar);
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

const base64Length = (bytes: number) => Math.ceil(bytes / 3) * 4;
const memberLength = (content: number) => blockSize + content + tarPadding(content).length;

/** Bytes of the members before data/0000.tar. The lengths of the packed headers are given. */
function layOut(spec: ArtifactSpec, compression: Compression, header: number, augment: number | undefined): number {
  const suffix = suffixOf(compression);
  const linesOf = (files: readonly PayloadSource[], ...others: string[]) =>
    [...files.map(({ name }) => payloadPrefix + name), ...others].reduce(
      (sum, name) => sum + 64 + 2 + name.length + 1,
      0,
    );
  const manifest = linesOf(spec.payload.files, `header.tar${suffix}`, 'version');
  const contents = [versionFile().length, manifest, header];
  if (spec.signer) contents.push(base64Length(spec.signer.length));
  if (augment !== undefined) contents.push(linesOf(spec.augment?.files ?? [], `header-augment.tar${suffix}`), augment);
  return contents.reduce((sum, content) => sum + memberLength(content), 0);
}

async function prefixOf(
  spec: ArtifactSpec,
  compression: Compression,
  header: Buffer,
  files: readonly { name: string; checksum: string }[],
  augment: Buffer | undefined,
): Promise<Buffer> {
  const version = versionFile(spec.version);
  const lines = files.map(({ name, checksum }) => ({ name: payloadPrefix + name, checksum }));
  const signedFiles = spec.payload.files.length;
  const headerLine = { name: `header.tar${suffixOf(compression)}`, checksum: sha256(header) };
  const versionLine = { name: 'version', checksum: sha256(version) };
  const manifest = formatManifest([...lines.slice(0, signedFiles), headerLine, versionLine]);
  const signature = spec.signer && Buffer.from(await spec.signer.sign(manifest)).toString('base64');
  const augmentLine = augment && { name: `header-augment.tar${suffixOf(compression)}`, checksum: sha256(augment) };
  const small = (name: string, content: Uint8Array) => tarMember(name, content, 0o600, 0);
  const archive = (name: string, content: Uint8Array) => tarMember(name, content, 0o600, spec.timestamp ?? 0);
  return Buffer.concat([
    small('version', version),
    small('manifest', manifest),
    ...(signature === undefined ? [] : [small('manifest.sig', Buffer.from(signature))]),
    ...(augmentLine ? [small('manifest-augment', formatManifest([...lines.slice(signedFiles), augmentLine]))] : []),
    archive(headerLine.name, header),
    ...(augment && augmentLine ? [archive(augmentLine.name, augment)] : []),
  ]);
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** data/0000.tar, uncompressed. `files` gets what went through it. */
async function* dataTar(
  spec: ArtifactSpec,
  files: { name: string; size: number; checksum: string }[],
  { progress, signal }: WriteOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const { name, size, modified, content } of [...spec.payload.files, ...(spec.augment?.files ?? [])]) {
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

async function collect(source: Chunks): Promise<Buffer> {
  const all: Uint8Array[] = [];
  for await (const chunks of source) all.push(...chunks);
  return Buffer.concat(all);
}
