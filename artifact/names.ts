import { ArtifactError, shown } from './errors.ts';

/** How header.tar and data/0000.tar are compressed, as the command line says it. */
export const compressions = ['none', 'gzip', 'lzma', 'zstd'] as const;
export type Compression = (typeof compressions)[number];

const suffixes: Readonly<Record<Compression, string>> = { none: '', gzip: '.gz', lzma: '.xz', zstd: '.zst' };
export const suffixOf = (compression: Compression): string => suffixes[compression];

/** The compression that the name of a member like `header.tar.gz` says; undefined when it is no such member. */
export function compressionOf(name: string, stem: string): Compression | undefined {
  return compressions.find((compression) => name === `${stem}${suffixes[compression]}`);
}

export const dataStem = 'data/0000.tar';
export const payloadPrefix = 'data/0000/';

/** A payload file's name is one plain path component: nothing in it means anything to a shell or a file system. */
export function isPayloadFileName(name: string): boolean {
  return /^[0-9A-Za-z_.,-]+$/.test(name) && name !== '.' && name !== '..';
}

export function checkPayloadFileName(name: string): void {
  if (!isPayloadFileName(name))
    throw new ArtifactError(
      'payload-name-invalid',
      `payload 0000: file name '${shown(name)}': only letters, digits and _ . , - are allowed`,
    );
}

/** A state script's name: state, transition, two digits, and perhaps a description (`artifact-format.md` §6.4). */
export function isScriptName(name: string): boolean {
  return (
    /^Artifact(?:Install|Reboot|Rollback|RollbackReboot|Commit|Failure)_(?:Enter|Leave|Error)_\d\d(?:_[^\s/]+)?$/.test(
      name,
    ) && isPrintable(name)
  );
}

const isPrintable = (text: string): boolean => /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]+$/u.test(text);

/** What is wrong with an artifact's name, a group or a device type, if anything is (`artifact-format.md` §6.1). */
export function nameFault(name: string): string | undefined {
  if (name === '') return 'is empty';
  if (Buffer.byteLength(name) > 256) return 'is longer than 256 bytes';
  return isPrintable(name) ? undefined : 'contains characters that cannot be printed';
}

/** What is wrong with a payload type, if anything is. On the device it becomes the name of an executable. */
export function payloadTypeFault(type: string): string | undefined {
  if (type === '') return 'is empty';
  if (/[/\0]/.test(type) || type === '.' || type === '..') return 'is not a plain name';
  return nameFault(type);
}
