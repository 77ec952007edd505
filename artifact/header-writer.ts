import type { Hole } from './header-packer.ts';
import type { ArtifactSpec, AugmentSpec, PayloadSpec } from './spec.ts';
import { blockSize } from './tar-header.ts';
import { tarEnd, tarMember } from './tar-writer.ts';

/** Stands for the checksum of the payload until it is known. */
const checksumHole = '?'.repeat(64);

/**
 * header.tar, uncompressed (`artifact-format.md` §6). With a `checksumKey`, `hole` is where the checksum goes that is
 * not known before the payload has been read.
 */
export function headerTar(spec: ArtifactSpec): { tar: Buffer; hole?: Hole } {
  const modified = spec.timestamp ?? 0;
  const { payload } = spec;
  const old = spec.version === 2;
  const scripts = [...(spec.scripts ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
  const member = (name: string, content: Uint8Array, mode = 0o600) => tarMember(name, content, mode, modified);
  const front = Buffer.concat([
    member('header-info', json(old ? headerInfo2(spec) : headerInfo(spec))),
    ...scripts.map(({ name, content }) => member(`scripts/${name}`, content, 0o755)),
    ...(old ? [member('headers/0000/files', json({ files: payload.files.map(({ name }) => name) }))] : []),
  ]);
  const info = json(old ? { type: payload.type } : typeInfo(spec));
  const parts = [front, member('headers/0000/type-info', info)];
  if (payload.metaData) parts.push(member('headers/0000/meta-data', metaData(payload.metaData)));
  // Readers of old expect the file with a rootfs-image, of no bytes when there is nothing to say.
  else if (payload.type === 'rootfs-image') parts.push(member('headers/0000/meta-data', new Uint8Array()));
  const tar = Buffer.concat([...parts, tarEnd]);
  if (old || !hasHole(payload)) return { tar };
  // The last place: depends, which come first, may have such a key too. Inside a string the quotes would be escaped.
  const start = `${JSON.stringify(payload.checksumKey)}:"`;
  const at = front.length + blockSize + info.lastIndexOf(start + checksumHole) + Buffer.byteLength(start);
  return { tar, hole: { at, length: checksumHole.length } };
}

/** header-augment.tar, uncompressed (`artifact-format.md` §7). */
export function augmentTar(spec: ArtifactSpec, augment: AugmentSpec): Buffer {
  const member = (name: string, content: Uint8Array) => tarMember(name, content, 0o600, spec.timestamp ?? 0);
  const payload = { ...augment, files: [] };
  return Buffer.concat([
    member('header-info', json(headerInfo({ ...spec, payload }))),
    member('headers/0000/type-info', json(typeInfo({ ...spec, payload }))),
    ...(augment.metaData ? [member('headers/0000/meta-data', metaData(augment.metaData))] : []),
    tarEnd,
  ]);
}

/** Whether the payload's checksum is to be provided; an explicit value for the same key goes first. */
function hasHole({ checksumKey, provides }: PayloadSpec): boolean {
  return checksumKey !== undefined && !Object.hasOwn(provides, checksumKey);
}

function headerInfo({ name, group, depends, payload }: ArtifactSpec) {
  return {
    payloads: [{ type: payload.type }],
    artifact_provides: { artifact_name: name, artifact_group: group || undefined },
    artifact_depends: {
      artifact_name: filled(depends.artifact_name),
      device_type: depends.device_type,
      artifact_group: filled(depends.artifact_group),
    },
  };
}

/** header-info of format 2. */
function headerInfo2({ name, depends, payload }: ArtifactSpec) {
  return { artifact_name: name, updates: [{ type: payload.type }], device_types_compatible: depends.device_type };
}

function typeInfo({ payload }: ArtifactSpec) {
  const checksum = payload.checksumKey === undefined ? {} : { [payload.checksumKey]: checksumHole };
  return {
    type: payload.type,
    artifact_depends: sorted(payload.depends),
    artifact_provides: sorted({ ...checksum, ...payload.provides }),
    clears_artifact_provides: payload.clears,
  };
}

const filled = (list: readonly string[] | undefined) => (list?.length ? list : undefined);

function sorted<T>(map: Readonly<Record<string, T>>): Record<string, T> | undefined {
  const entries = Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length ? Object.fromEntries(entries) : undefined;
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

function metaData(content: NonNullable<ArtifactSpec['payload']['metaData']>): Uint8Array {
  return content instanceof Uint8Array ? content : json(content);
}
