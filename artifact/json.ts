import { messageOf } from '#base/errors';
import { ArtifactError, type ArtifactErrorCode } from './errors.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Parses JSON from an artifact. `depth` bounds its nesting: what walks it later may recurse. */
export function parseJson(bytes: Uint8Array, member: string, code: ArtifactErrorCode, depth: number): unknown {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (cause) {
    throw new ArtifactError(code, `${member}: not JSON: ${messageOf(cause).replaceAll(/\s+/g, ' ').slice(0, 120)}`, {
      cause,
    });
  }
  let level: unknown[] = [value];
  for (let depths = 0; level.length; depths++) {
    if (depths > depth) throw new ArtifactError('limit-exceeded', `${member}: JSON nested deeper than ${depth} levels`);
    level = level.flatMap((item) => (typeof item === 'object' && item !== null ? Object.values(item) : []));
  }
  return value;
}
