import { ArtifactError } from './errors.ts';

/** One block of a tar: every header, and the grain of every content. */
export const blockSize = 512;

/** The fields of a ustar header that mean something to an artifact. */
export interface TarHeader {
  readonly name: string;
  readonly size: number;
  readonly modified: number;
  /** The type flag; NUL, which old writers use for files, is given as '0'. */
  readonly type: string;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Parses one header block. `where` names the archive in errors. */
export function parseTarHeader(block: Uint8Array, where: string): TarHeader {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.length);
  const stated = numeric(bytes.subarray(148, 156), 'checksum', where);
  if (!checksumHolds(bytes, stated))
    throw new ArtifactError('tar-corrupt', `${where}: a tar header's checksum is wrong`);
  const name = text(bytes.subarray(0, 100), where);
  // Only POSIX headers have a prefix; GNU ones keep times there.
  const prefix = bytes.toString('latin1', 257, 263) === 'ustar\0' ? text(bytes.subarray(345, 500), where) : '';
  const type = String.fromCharCode(bytes[156] ?? 0);
  return {
    name: prefix ? `${prefix}/${name}` : name,
    size: numeric(bytes.subarray(124, 136), 'size', where),
    modified: numeric(bytes.subarray(136, 148), 'time', where),
    type: type === '\0' ? '0' : type,
  };
}

function checksumHolds(bytes: Buffer, stated: number): boolean {
  let unsigned = 0;
  let signed = 0;
  for (const [index, byte] of bytes.entries()) {
    const counted = index >= 148 && index < 156 ? 0x20 : byte;
    unsigned += counted;
    signed += counted > 127 ? counted - 256 : counted;
  }
  return stated === unsigned || stated === signed;
}

function text(field: Buffer, where: string): string {
  const end = field.indexOf(0);
  return decodeName(end < 0 ? field : field.subarray(0, end), where);
}

/** A name as text. Names that are not UTF-8 have no place in an artifact. */
export function decodeName(bytes: Uint8Array, where: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw new ArtifactError('tar-corrupt', `${where}: a tar entry's name is not UTF-8`);
  }
}

function numeric(field: Buffer, what: string, where: string): number {
  const first = field[0] ?? 0;
  const value = first & 0x80 ? base256(field) : octal(field.toString('latin1'));
  if (value === undefined) throw new ArtifactError('tar-corrupt', `${where}: a tar header's ${what} is not a number`);
  return value;
}

function octal(field: string): number | undefined {
  const digits = /^[ \0]*([0-7]*)[ \0]*$/.exec(field)?.[1];
  return digits === undefined ? undefined : digits === '' ? 0 : Number.parseInt(digits, 8);
}

/** GNU's binary form. Negative numbers, and those that a double cannot hold, are refused by their size. */
function base256(field: Buffer): number | undefined {
  if (field[0] !== 0x80) return undefined;
  const value = field.subarray(1).reduce((sum, byte) => sum * 256 + byte, 0);
  return Math.min(value, Number.MAX_SAFE_INTEGER);
}

/** The records of a pax header: `<length> <key>=<value>\n`, lengths in decimal and counting themselves. */
export function parsePax(records: Uint8Array, where: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const bytes = Buffer.from(records.buffer, records.byteOffset, records.length);
  for (let at = 0; at < bytes.length;) {
    const digits = /^(\d{1,9}) /.exec(bytes.toString('latin1', at, at + 10))?.[1];
    const end = at + Number(digits);
    const equals = bytes.indexOf('=', at);
    if (!digits || end > bytes.length || bytes[end - 1] !== 0x0a || equals < 0 || equals >= end)
      throw new ArtifactError('tar-corrupt', `${where}: a pax header is malformed`);
    const key = bytes.toString('latin1', at + digits.length + 1, equals);
    if (key.startsWith('GNU.sparse'))
      throw new ArtifactError('tar-corrupt', `${where}: sparse entries are not allowed`);
    found.set(
      key,
      key === 'path'
        ? decodeName(bytes.subarray(equals + 1, end - 1), where)
        : bytes.toString('latin1', equals + 1, end - 1),
    );
    at = end;
  }
  return found;
}

/** A decimal number of a pax record. */
export function paxNumber(value: string, where: string): number {
  if (!/^\d{1,15}$/.test(value))
    throw new ArtifactError('tar-corrupt', `${where}: a pax header's size is not a number`);
  return Number(value);
}
