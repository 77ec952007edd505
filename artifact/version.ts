import { Type } from 'typebox';
import { ArtifactError } from './errors.ts';
import { parseJson } from './json.ts';
import { shape } from './shape.ts';

const versionJson = shape(
  Type.Object({ format: Type.String(), version: Type.Integer() }, { additionalProperties: false }),
);

/** The content of `version` that we write: these very bytes. */
export const versionFile = (version: 2 | 3 = 3): Buffer => Buffer.from(`{"format":"mender","version":${version}}`);

/** The format's version from the content of `version`. Version 1 has been refused by everybody for years. */
export function parseVersion(bytes: Uint8Array): 2 | 3 {
  const value = parseJson(bytes, 'version', 'version-invalid', 4);
  const { format, version } = checked(value);
  if (format !== 'mender') throw new ArtifactError('unsupported-format', "version: the format is not 'mender'");
  if (version !== 2 && version !== 3)
    throw new ArtifactError('unsupported-version', `version: format ${version} is not supported`);
  return version;
}

function checked(value: unknown): { format: string; version: number } {
  try {
    return versionJson(value);
  } catch (cause) {
    throw new ArtifactError('version-invalid', 'version: not the expected JSON object', { cause });
  }
}
