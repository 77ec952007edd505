import { CodedError } from '#base/errors';

/** What can be wrong with an artifact. The codes are those of the shared corpus of artifacts (`errorKinds`). */
export const artifactErrorCodes = [
  'truncated',
  'tar-corrupt',
  'compression-corrupt',
  'trailing-data',
  'bad-order',
  'missing-member',
  'unexpected-member',
  'duplicate-member',
  'version-invalid',
  'unsupported-version',
  'unsupported-format',
  'unsupported-feature',
  'manifest-malformed',
  'manifest-entry-missing',
  'manifest-entry-unused',
  'checksum-mismatch',
  'header-invalid',
  'type-mismatch',
  'script-name-invalid',
  'payload-name-invalid',
  'payload-type-invalid',
  'empty-payload-violation',
  'limit-exceeded',
  'signature-invalid',
  'signature-malformed',
  'signature-missing',
] as const;
export type ArtifactErrorCode = (typeof artifactErrorCodes)[number];

/** An artifact that must not be accepted. The message names the member and what is wrong with it, on one line. */
export class ArtifactError extends CodedError {
  declare readonly code: ArtifactErrorCode;
  constructor(code: ArtifactErrorCode, message: string, options?: ErrorOptions) {
    // Parsers quote what they stumble over, and an artifact may hold anything, such as what steers a terminal.
    super(code, shown(message, 300), options);
  }
}

/** Text from an artifact, safe to show: no control characters, and not longer than a line. */
export function shown(text: string, length = 120): string {
  const printable = text.replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, '\u{fffd}');
  return printable.length > length ? `${printable.slice(0, length - 3)}...` : printable;
}
