import { blockSize } from './tar-header.ts';

/** Largest size that the octal field of a ustar header holds. */
const largestOctal = 8 ** 11 - 1;

/** An entry to write: a regular file, owned by nobody in particular, so that its bytes depend on nothing else. */
export interface TarEntry {
  readonly name: string;
  readonly size: number;
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly modified: number;
}

/** The header blocks of an entry: one, or three when its name needs a pax record. */
export function tarHeader(entry: TarEntry): Buffer {
  const plain = /^[\x20-\x7e]{1,100}$/.test(entry.name);
  if (plain) return block(entry, '0');
  const record = paxRecord('path', entry.name);
  const pax = block({ name: 'PaxHeaders.0/entry', size: record.length, mode: 0o600, modified: 0 }, 'x');
  return Buffer.concat([pax, record, tarPadding(record.length), block({ ...entry, name: 'entry' }, '0')]);
}

/** Zeros that fill the last block of a content of `size` bytes. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((blockSize - (size % blockSize)) % blockSize);
}

/** The two zero blocks that end an archive. */
export const tarEnd: Buffer = Buffer.alloc(2 * blockSize);

/** A small entry as a whole. */
export function tarMember(name: string, content: Uint8Array, mode: number, modified: number): Buffer {
  return Buffer.concat([
    tarHeader({ name, size: content.length, mode, modified }),
    content,
    tarPadding(content.length),
  ]);
}

function block({ name, size, mode, modified }: TarEntry, type: string): Buffer {
  const bytes = Buffer.alloc(blockSize);
  bytes.write(name, 0, 'latin1');
  bytes.write(octal(mode, 7), 100, 'latin1');
  bytes.write(octal(0, 7), 108, 'latin1');
  bytes.write(octal(0, 7), 116, 'latin1');
  writeSize(bytes, size);
  bytes.write(octal(Math.max(0, Math.floor(modified)), 11), 136, 'latin1');
  bytes.write('        ', 148, 'latin1');
  bytes.write(type, 156, 'latin1');
  bytes.write('ustar\u000000', 257, 'latin1');
  bytes.write(octal(0, 7), 329, 'latin1');
  bytes.write(octal(0, 7), 337, 'latin1');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${octal(sum, 6)}\0 `, 148, 'latin1');
  return bytes;
}

const octal = (value: number, digits: number): string => value.toString(8).padStart(digits, '0');

/** Sizes that octal cannot hold go in GNU's binary form: it takes no further block, so a header can be patched later. */
function writeSize(bytes: Buffer, size: number): void {
  if (size <= largestOctal) {
    bytes.write(octal(size, 11), 124, 'latin1');
    return;
  }
  bytes[124] = 0x80;
  bytes.writeBigUInt64BE(BigInt(size), 128);
}

function paxRecord(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  // The length counts its own digits.
  if (rest + String(length).length !== length) length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}
