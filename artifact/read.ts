import { createHash, type KeyObject } from 'node:crypto';
import type { ArtifactHeader, OpenArtifact, PayloadFile } from './artifact.ts';
import { ByteReader } from './byte-reader.ts';
import { decode } from './decoder.ts';
import { ArtifactError } from './errors.ts';
import { readHeaderArchive, type HeaderArchive, type HeaderKind } from './header-archive.ts';
import { interpretAugment, interpretHeader, interpretHeader2, type Rules } from './header.ts';
import { defaultLimits, type Limits } from './limits.ts';
import { Manifest } from './manifest.ts';
import { Members } from './members.ts';
import { compressionOf, dataStem } from './names.ts';
import { readPayload } from './payload-reader.ts';
import { checkSignature, decodeSignature, parsePublicKey } from './signature.ts';
import { parseVersion } from './version.ts';

/** How to read. What is left out is refused where it matters. */
export interface ReadOptions {
  /** PEM public keys. When given, an artifact that none of them has signed is refused. */
  readonly keys?: readonly string[];
  readonly limits?: Partial<Limits>;
  /** Take artifacts with a part that the signature does not cover (`artifact-format.md` §7). Not to be installed. */
  readonly allowAugmented?: boolean;
  /** Take format 2 (`artifact-format.md` §15). Not to be installed. */
  readonly allowVersion2?: boolean;
  /** Payload chunks are gone when the next one is asked for: less memory for those who only look. */
  readonly transient?: boolean;
  /** Told of names that no writer may use; without it an artifact with such a name is refused. */
  readonly warn?: (message: string) => void;
}

/**
 * Reads an artifact up to its payload: version, manifest, signature and header are checked when this returns. Throws
 * `ArtifactError`, or what the source throws, and lets go of the source. Who opens an artifact and does not want its
 * payload lets go of the source himself. Memory is bounded whatever the artifact claims.
 */
export async function openArtifact(
  source: AsyncIterable<Uint8Array>,
  options: ReadOptions = {},
): Promise<OpenArtifact> {
  const keys = options.keys?.map((pem) => parsePublicKey(pem));
  const bytes = new ByteReader(source);
  try {
    return await new Opening(bytes, keys, options).read();
  } catch (error) {
    bytes.close();
    throw error;
  }
}

class Opening {
  readonly #bytes: ByteReader;
  readonly #keys: readonly KeyObject[] | undefined;
  readonly #options: ReadOptions;
  readonly #limits: Limits;
  readonly #members: Members;

  constructor(bytes: ByteReader, keys: readonly KeyObject[] | undefined, options: ReadOptions) {
    this.#bytes = bytes;
    this.#keys = keys;
    this.#options = options;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#members = new Members(bytes, this.#limits);
  }

  async read(): Promise<OpenArtifact> {
    const limits = this.#limits;
    const versionBytes = await this.#members.take('version', limits.version);
    const version = parseVersion(versionBytes);
    if (version === 2 && !this.#options.allowVersion2)
      throw new ArtifactError('unsupported-version', 'version: format 2 is not supported here');
    const manifestBytes = await this.#members.take('manifest', limits.manifest);
    const signed = await this.#checkSignature(manifestBytes);
    const manifest = Manifest.parse(manifestBytes);
    compare(versionBytes, 'version', manifest);
    const augmented = await this.#readAugmentManifest(manifest, version);
    const { compression } = await this.#members.peekTar('header.tar');
    const archive = await this.#readHeader('header.tar', version === 2 ? 'v2' : 'v3', manifest);
    const rules: Rules = { limits, warn: this.#options.warn };
    const { payload, fileNames, ...said } =
      version === 2 ? interpretHeader2(archive, rules) : interpretHeader(archive, rules);
    const augmentArchive = augmented ? await this.#readHeader('header-augment.tar', 'augment', manifest) : undefined;
    const augment = augmentArchive && interpretAugment(augmentArchive, payload.type, rules);
    manifest.checkOnePayload();
    const files = manifest.payloadFiles();
    checkFiles(files, payload.type, fileNames);
    const header: ArtifactHeader = {
      format: 'mender',
      version,
      ...said,
      scripts: archive.scripts,
      payload: { ...payload, files },
      ...(augment ? { augment } : {}),
      signed,
      verified: signed && this.#keys !== undefined,
      augmented,
      compression,
    };
    const { headerInfo, typeInfo, metaData } = archive;
    const raw = { headerInfo, typeInfo, ...(metaData?.length ? { metaData } : {}) };
    return { header, raw, files: () => this.#files(manifest, payload.type === null) };
  }

  async #checkSignature(manifest: Uint8Array): Promise<boolean> {
    const signed = (await this.#members.peek()) === 'manifest.sig';
    if (signed) {
      const signature = decodeSignature(await this.#members.take('manifest.sig', this.#limits.signature));
      if (this.#keys) checkSignature(manifest, signature, this.#keys);
    } else if (this.#keys) {
      await this.#checkNotLate();
      throw new ArtifactError('signature-missing', 'manifest.sig: missing, but a signature is required');
    }
    return signed;
  }

  /** Tells a signature that comes too late from one that is not there. Nothing that is read here is acted upon. */
  async #checkNotLate(): Promise<void> {
    for (const stem of ['manifest-augment', 'header.tar', 'header-augment.tar']) {
      const name = await this.#members.peek();
      if (name === undefined || (name !== stem && compressionOf(name, stem) === undefined)) continue;
      await this.#members.take(name, this.#limits.header);
      if ((await this.#members.peek()) === 'manifest.sig')
        throw new ArtifactError('bad-order', `manifest.sig: comes after ${name}`);
    }
  }

  async #readAugmentManifest(manifest: Manifest, version: 2 | 3): Promise<boolean> {
    if ((await this.#members.peek()) !== 'manifest-augment') return false;
    if (version === 2) throw new ArtifactError('unexpected-member', 'manifest-augment: format 2 has none');
    if (!this.#options.allowAugmented)
      throw new ArtifactError('unsupported-feature', 'manifest-augment: augmented artifacts are not supported here');
    manifest.augment(await this.#members.take('manifest-augment', this.#limits.manifest));
    return true;
  }

  async #readHeader(stem: string, kind: HeaderKind, manifest: Manifest): Promise<HeaderArchive> {
    const { name, compression } = await this.#members.peekTar(stem);
    const stored = await this.#members.take(name, this.#limits.header);
    compare(stored, name, manifest);
    return readHeaderArchive(stored, compression, name, kind, this.#limits);
  }

  async *#files(manifest: Manifest, empty: boolean): AsyncGenerator<PayloadFile, void, undefined> {
    try {
      const limits = this.#limits;
      if (!empty || (await this.#members.peek()) !== undefined) {
        const { name, compression } = await this.#members.peekTar(dataStem);
        const stored = this.#members.stream(name);
        yield* readPayload(decode(compression, stored, name, this.#options.transient), { manifest, limits, empty });
      }
      manifest.checkAllUsed();
      await this.#members.end();
    } finally {
      this.#bytes.close();
    }
  }
}

function compare(content: Uint8Array, name: string, manifest: Manifest): void {
  if (createHash('sha256').update(content).digest('hex') !== manifest.take(name))
    throw new ArtifactError('checksum-mismatch', `${name}: checksum differs from manifest`);
}

function checkFiles(
  files: readonly { name: string }[],
  type: string | null,
  listed: readonly string[] | undefined,
): void {
  const [first] = files;
  if (type === null && first)
    throw new ArtifactError('empty-payload-violation', `manifest: file ${first.name} in an empty payload`);
  if (type === 'rootfs-image' && files.length > 1)
    throw new ArtifactError('header-invalid', `manifest: ${files.length} files, a rootfs-image has one`);
  if (
    listed &&
    [...listed].sort().join('\n') !==
      files
        .map(({ name }) => name)
        .sort()
        .join('\n')
  )
    throw new ArtifactError('header-invalid', 'headers/0000/files: differs from the manifest');
}
