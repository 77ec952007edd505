import type { ArtifactHeader, Payload } from './artifact.ts';
import { messageOf } from '#base/errors';
import { ArtifactError, shown } from './errors.ts';
import type { HeaderArchive } from './header-archive.ts';
import * as schema from './header-schema.ts';
import { parseJson } from './json.ts';
import type { Limits } from './limits.ts';
import { nameFault, payloadTypeFault } from './names.ts';

/** What a header.tar says, parsed and checked: the parts of `ArtifactHeader` that come from it. */
export interface Interpreted {
  readonly name: string;
  readonly group?: string;
  readonly depends: ArtifactHeader['depends'];
  readonly payload: Omit<Payload, 'files'>;
  /** Format 2: the payload's file names. */
  readonly fileNames?: readonly string[];
}

/** What interpreting needs besides the archive itself. */
export interface Rules {
  readonly limits: Limits;
  /** Told of names that no writer may use; without it they are refused. */
  readonly warn: ((message: string) => void) | undefined;
}

const typeInfoKeys = ['type', 'artifact_provides', 'artifact_depends', 'clears_artifact_provides'];
const reservedKeys = ['artifact_name', 'artifact_group', 'device_type'];

/** Interprets header.tar of format 3 (`artifact-format.md` §6). */
export function interpretHeader(archive: HeaderArchive, rules: Rules): Interpreted {
  const info = parsed(archive.headerInfo, 'header-info', schema.headerInfo3, rules);
  const depends = dependsOf(info.artifact_depends);
  const group = info.artifact_provides.artifact_group;
  checkNames('artifact name', [info.artifact_provides.artifact_name], rules);
  checkNames('artifact group', group ? [group] : [], rules);
  checkNames('device type', depends.device_type, rules);
  checkNames('artifact name in depends', depends.artifact_name ?? [], rules);
  checkNames('artifact group in depends', depends.artifact_group ?? [], rules);
  const type = onlyPayload(info.payloads);
  if (type !== null) checkType(type);
  if (type === null && archive.scripts.length)
    throw new ArtifactError('empty-payload-violation', 'header.tar: an empty payload has no state scripts');
  return {
    name: info.artifact_provides.artifact_name,
    ...(group ? { group } : {}),
    depends,
    payload: interpretPayload(archive, type, rules),
  };
}

function dependsOf({ device_type, artifact_name, artifact_group }: schema.HeaderInfo['artifact_depends']) {
  return {
    device_type,
    ...(artifact_name ? { artifact_name } : {}),
    ...(artifact_group ? { artifact_group } : {}),
  };
}

/** Interprets header-augment.tar: the payload's further provides, depends and meta-data (`artifact-format.md` §7). */
export function interpretAugment(
  archive: HeaderArchive,
  original: Payload['type'],
  rules: Rules,
): Omit<Payload, 'files'> {
  if (original === null)
    throw new ArtifactError('empty-payload-violation', 'header-augment.tar: an empty payload cannot be augmented');
  const type = onlyPayload(
    parsed(archive.headerInfo, 'header-info of header-augment.tar', schema.headerInfoAugment, rules).payloads,
  );
  if (type === null) throw new ArtifactError('header-invalid', 'header-augment.tar: the payload has no type');
  if (type) checkType(type);
  return { ...interpretPayload(archive, type, rules), type: type || original };
}

/** Interprets header.tar of format 2 (`artifact-format.md` §15). */
export function interpretHeader2(archive: HeaderArchive, rules: Rules): Interpreted {
  const info = parsed(archive.headerInfo, 'header-info', schema.headerInfo2, rules);
  checkNames('artifact name', [info.artifact_name], rules);
  checkNames('device type', info.device_types_compatible, rules);
  const type = onlyPayload(info.updates);
  if (type !== null) checkType(type);
  if (!archive.files) throw new ArtifactError('header-invalid', 'header.tar: headers/0000/files is missing');
  const { files } = parsed(archive.files, 'headers/0000/files', schema.files2, rules);
  const metaData = interpretMetaData(archive.metaData, rules);
  return {
    name: info.artifact_name,
    depends: { device_type: info.device_types_compatible },
    payload: { type, provides: {}, depends: {}, ...(metaData ? { metaData } : {}) },
    fileNames: files,
  };
}

function interpretPayload(archive: HeaderArchive, type: string | null, rules: Rules): Omit<Payload, 'files'> {
  const info = parsed(archive.typeInfo, 'headers/0000/type-info', schema.typeInfo, rules);
  checkTypeInfo(info, type);
  if (type === null && archive.metaData)
    throw new ArtifactError('empty-payload-violation', 'headers/0000/meta-data: an empty payload has none');
  const metaData = interpretMetaData(archive.metaData, rules);
  const clears = info.clears_artifact_provides;
  return {
    type,
    provides: info.artifact_provides ?? {},
    depends: info.artifact_depends ?? {},
    ...(clears ? { clears } : {}),
    ...(metaData ? { metaData } : {}),
  };
}

function onlyPayload(payloads: readonly { readonly type: string | null }[]): string | null {
  const [only, another] = payloads;
  if (!only) throw new ArtifactError('header-invalid', 'header-info: no payload');
  if (another)
    throw new ArtifactError('unsupported-feature', `header-info: ${payloads.length} payloads, only one is supported`);
  return only.type;
}

function checkType(type: string): void {
  const fault = payloadTypeFault(type);
  if (fault) throw new ArtifactError('header-invalid', `header-info: payload type '${shown(type)}' ${fault}`);
}

function checkTypeInfo(info: schema.TypeInfo, type: string | null): void {
  const said = info.type ?? (type === null ? null : '');
  // Writers before 4.3.1 leave the type of a rootfs-image empty.
  if (said !== type && !(said === '' && type === 'rootfs-image'))
    throw new ArtifactError(
      'type-mismatch',
      `headers/0000/type-info: type '${shown(String(said))}', header-info says '${type}'`,
    );
  // Other readers take a key in any letters, and then see what we would pass over.
  for (const key of Object.keys(info)) {
    if (!typeInfoKeys.includes(key) && typeInfoKeys.includes(key.toLowerCase()))
      throw new ArtifactError('header-invalid', `headers/0000/type-info: ${shown(key)} must be in lower case`);
  }
  for (const key of [...Object.keys(info.artifact_provides ?? {}), ...Object.keys(info.artifact_depends ?? {})]) {
    if (reservedKeys.includes(key))
      throw new ArtifactError('header-invalid', `headers/0000/type-info: ${key} belongs into header-info`);
  }
}

function interpretMetaData(bytes: Uint8Array | undefined, rules: Rules): Readonly<Record<string, unknown>> | undefined {
  return bytes?.length ? parsed(bytes, 'headers/0000/meta-data', schema.metaData, rules) : undefined;
}

function parsed<T>(bytes: Uint8Array, member: string, shape: (value: unknown) => T, rules: Rules): T {
  const value = parseJson(bytes, member, 'header-invalid', rules.limits.depth);
  try {
    return shape(value);
  } catch (cause) {
    throw new ArtifactError('header-invalid', `${member}: ${shown(messageOf(cause))}`, { cause });
  }
}

function checkNames(what: string, names: readonly string[], rules: Rules): void {
  for (const name of names) {
    const fault = nameFault(name);
    if (!fault) continue;
    const message = `header-info: ${what} '${shown(name)}' ${fault}`;
    if (!rules.warn) throw new ArtifactError('header-invalid', message);
    rules.warn(message);
  }
}
