import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { CodedError } from '#base/errors';
import type { ArtifactHeader, Payload, StateScript } from './artifact.ts';
import { fileChunks } from './file-chunks.ts';
import { isPayloadFileName, isScriptName, nameFault, payloadTypeFault, type Compression } from './names.ts';
import type { Signer } from './signer.ts';

/** A payload file to be written. */
export interface PayloadSource {
  readonly name: string;
  /** Bytes that `content` will give, exactly. */
  readonly size: number;
  /** Seconds since the epoch. */
  readonly modified: number;
  /** Where the file is, if it is one of this machine. */
  readonly path?: string;
  readonly content: () => AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

/** The payload of an artifact to be written; `files` apart, as in its header. */
export interface PayloadSpec extends Omit<Payload, 'files' | 'metaData'> {
  /** An object, or JSON text that is stored as it is. */
  readonly metaData?: Readonly<Record<string, unknown>> | Uint8Array;
  readonly files: readonly PayloadSource[];
  /** Provide the checksum of the only file under this key. */
  readonly checksumKey?: string;
}

export type AugmentSpec = Pick<PayloadSpec, 'provides' | 'depends' | 'metaData' | 'files'> & { readonly type: string };

/** An artifact to be written. The same spec gives the same bytes. */
export interface ArtifactSpec {
  /** Default 3. Format 2 (`artifact-format.md` §15) carries a rootfs-image, and knows no groups, provides and depends. */
  readonly version?: 2 | 3;
  readonly name: string;
  readonly group?: string;
  readonly depends: ArtifactHeader['depends'];
  readonly scripts?: readonly StateScript[];
  readonly payload: PayloadSpec;
  /** A part that the signature does not cover (`artifact-format.md` §7). Devices do not install such artifacts. */
  readonly augment?: AugmentSpec;
  /** Default gzip. */
  readonly compression?: Compression;
  /** How hard gzip (1 to 9) and zstd (1 to 19) try. Default 3. */
  readonly compressionLevel?: number;
  /** Seconds since the epoch: the time of everything inside. Default 0, and each payload file its own. */
  readonly timestamp?: number;
  readonly signer?: Signer;
}

/** A file of this machine as a payload file. Throws as `stat` does, or `invalid_spec` when it is no regular file. */
export async function fileSource(path: string, name: string = basename(path)): Promise<PayloadSource> {
  const { size, mtimeMs, isFile } = await stat(path).then((found) => ({
    size: found.size,
    mtimeMs: found.mtimeMs,
    isFile: found.isFile(),
  }));
  if (!isFile) throw new CodedError('invalid_spec', `${path}: not a regular file`);
  const content = () => fileChunks(path);
  return { name, size, modified: Math.round(mtimeMs / 1000), path, content };
}

/** Bytes at hand as a payload file. */
export function bytesSource(name: string, content: Uint8Array | string, modified = 0): PayloadSource {
  const bytes = typeof content === 'string' ? Buffer.from(content) : content;
  return { name, size: bytes.length, modified, content: () => [bytes] };
}

/** Refuses what no reader would take, before anything is written. */
export function checkSpec(spec: ArtifactSpec): void {
  const names: [string, readonly string[]][] = [
    ['artifact name', [spec.name]],
    ['artifact group', spec.group === undefined ? [] : [spec.group]],
    ['device type', spec.depends.device_type],
    ['artifact name in depends', spec.depends.artifact_name ?? []],
    ['artifact group in depends', spec.depends.artifact_group ?? []],
  ];
  for (const [what, values] of names) {
    for (const value of values) {
      const fault = nameFault(value);
      if (fault) throw invalid(`${what} '${value}' ${fault}`);
    }
  }
  if (spec.depends.device_type.length === 0) throw invalid('no device type is given');
  if (spec.version === 2) checkVersion2(spec);
  checkPayload(spec.payload, spec.scripts ?? []);
  checkFileNames([...spec.payload.files, ...(spec.augment?.files ?? [])]);
  if (spec.augment) {
    const fault = payloadTypeFault(spec.augment.type);
    if (fault) throw invalid(`augmented payload type '${spec.augment.type}' ${fault}`);
    if (spec.payload.type === null || spec.version === 2) throw invalid('such an artifact cannot be augmented');
    checkKeys(spec.augment);
  }
  checkScripts(spec.scripts ?? []);
}

function checkPayload(payload: PayloadSpec, scripts: readonly StateScript[]): void {
  const { type, files, metaData } = payload;
  if (type === null) {
    if (files.length || metaData || scripts.length)
      throw invalid('an empty payload has no files, no meta-data and no state scripts');
  } else {
    const fault = payloadTypeFault(type);
    if (fault) throw invalid(`payload type '${type}' ${fault}`);
  }
  if (type === 'rootfs-image' && files.length !== 1) throw invalid('a rootfs-image has exactly one file');
  checkKeys(payload);
}

function checkFileNames(files: readonly PayloadSource[]): void {
  const seen = new Set<string>();
  for (const { name } of files) {
    if (!isPayloadFileName(name)) throw invalid(`file name '${name}': only letters, digits and _ . , - are allowed`);
    if (seen.has(name)) throw invalid(`file ${name} is given twice`);
    seen.add(name);
  }
}

function checkKeys({ provides, depends }: Pick<PayloadSpec, 'provides' | 'depends'>): void {
  for (const key of [...Object.keys(provides), ...Object.keys(depends)]) {
    if (/^(artifact_name|artifact_group|device_type)$/.test(key))
      throw invalid(`${key} is not for the payload's provides and depends`);
  }
}

function checkVersion2({ payload, group, depends }: ArtifactSpec): void {
  if (payload.type !== 'rootfs-image') throw invalid('format 2 is for a rootfs-image only');
  const said = [...Object.keys(payload.provides), ...Object.keys(payload.depends), ...(payload.clears ?? [])];
  if (said.length || group || depends.artifact_name?.length || depends.artifact_group?.length)
    throw invalid('format 2 knows no groups, provides, depends and clears');
}

function checkScripts(scripts: readonly StateScript[]): void {
  const seen = new Set<string>();
  for (const { name } of scripts) {
    if (!isScriptName(name))
      throw invalid(`script ${name}: not a state script's name, such as ArtifactInstall_Enter_00_description`);
    if (seen.has(name)) throw invalid(`script ${name} is given twice`);
    seen.add(name);
  }
}

function invalid(message: string): CodedError {
  return new CodedError('invalid_spec', message);
}
