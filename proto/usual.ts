import type { ProtoHeader, ProtoMsg } from './envelope.ts';

/*
 * The usual frame, read and written without the library. A key press is one small frame through three programs and
 * back, each of which has slept since the last: what it costs is the code that has to be fetched into the processor's
 * cache, and here that is a quarter of the library's (measured cold: 20 µs in place of 70, five times a key). What is not
 * usual, or not right, is left to the library: both functions then answer undefined, and never say that a frame is bad.
 */

const longest = 64;
/** Frames up to this size are written here: of a larger one the body is the cost. */
const room = 2048;
const scratch = new Uint8Array(room);
/** Texts of the wire, each in the one place that its bytes choose: keys, types and ids come again and again. */
const texts: string[] = Array.from({ length: 256 }, () => '');

let at = 0;

/** A frame of `{hdr, body}` in this order, as our programs and the reference's write it. */
export function readUsual(bytes: Uint8Array): ProtoMsg | undefined {
  const entries = bytes[0]! - 0x80;
  // "hdr", and a map of at most fifteen.
  if (entries !== 1 && entries !== 2) return undefined;
  if (bytes[1] !== 0xa3 || bytes[2] !== 0x68 || bytes[3] !== 0x64 || bytes[4] !== 0x72) return undefined;
  at = 5;
  const hdr = readHeader(bytes);
  if (!hdr) return undefined;
  if (entries === 1) return at <= bytes.length ? { hdr } : undefined;
  if (bytes[at] !== 0xa4 || bytes[at + 1] !== 0x62 || bytes[at + 2] !== 0x6f || bytes[at + 3] !== 0x64)
    return undefined;
  if (bytes[at + 4] !== 0x79) return undefined;
  at += 5;
  const width = bytes[at++]! - 0xc4;
  if (width !== 0 && width !== 1 && width !== 2) return undefined;
  const size = readUint(bytes, 1 << width);
  if (!(at + size <= bytes.length)) return undefined;
  return size === 0 ? { hdr } : { hdr, body: bytes.subarray(at, at + size) };
}

function readHeader(bytes: Uint8Array): ProtoHeader | undefined {
  let left = bytes[at++]! - 0x80;
  if (!(left >= 0 && left < 16)) return undefined;
  const hdr: { proto: number; typ?: string; sid?: string; props?: Record<string, unknown>; seq?: number } = {
    proto: -1,
  };
  for (; left > 0; left--) {
    const key = readText(bytes);
    if (key === 'props') {
      const props = readProps(bytes);
      if (!props) return undefined;
      if (props !== empty) hdr.props = props;
      continue;
    }
    const value = readValue(bytes);
    if (key === 'proto' && typeof value === 'number' && value <= 0xffff) hdr.proto = value;
    else if (key === 'seq' && typeof value === 'number' && value > 0) hdr.seq = value;
    else if (key === 'typ' && typeof value === 'string' && value !== '') hdr.typ = value;
    else if (key === 'sid' && typeof value === 'string' && value !== '') hdr.sid = value;
    else return undefined;
  }
  return hdr.proto < 0 ? undefined : hdr;
}

const empty: Record<string, unknown> = {};

function readProps(bytes: Uint8Array): Record<string, unknown> | undefined {
  let left = bytes[at++]! - 0x80;
  if (!(left >= 0 && left < 16)) return undefined;
  if (left === 0) return empty;
  const props: Record<string, unknown> = {};
  for (; left > 0; left--) {
    const key = readText(bytes);
    const value = readValue(bytes);
    if (key === undefined || key === '__proto__' || value === undefined) return undefined;
    props[key] = value;
  }
  return props;
}

/** Text, a count, an int64, true or false; undefined: something else. */
function readValue(bytes: Uint8Array): string | number | bigint | boolean | undefined {
  const first = bytes[at]!;
  if (first >= 0xa0 && first < 0xc0) return readText(bytes);
  at++;
  if (first < 0x80) return first;
  switch (first) {
    case 0xc2:
    case 0xc3:
      return first === 0xc3;
    case 0xcc:
      return readUint(bytes, 1);
    case 0xcd:
      return readUint(bytes, 2);
    case 0xce:
      return readUint(bytes, 4);
    case 0xd3: {
      const high = readUint(bytes, 4);
      const low = readUint(bytes, 4);
      return at > bytes.length ? undefined : BigInt(high | 0) * 0x1_0000_0000n + BigInt(low);
    }
    case 0xd9:
      at--;
      return readText(bytes);
    default:
      return undefined;
  }
}

/** Beyond the end it is no number, and nothing that is made of it passes. */
function readUint(bytes: Uint8Array, width: number): number {
  let value = 0;
  for (const end = at + width; at < end; at++) value = value * 256 + bytes[at]!;
  return value;
}

/** ASCII, and not long; undefined for any other. */
function readText(bytes: Uint8Array): string | undefined {
  const first = bytes[at++]!;
  const size = first === 0xd9 ? bytes[at++]! : first - 0xa0;
  if (!(size >= 0 && size <= longest) || (first !== 0xd9 && size > 31) || at + size > bytes.length) return undefined;
  const start = at;
  at += size;
  let hash = size;
  for (let i = start; i < at; i++) {
    const byte = bytes[i]!;
    if (byte > 0x7f) return undefined;
    hash = (hash * 31 + byte) & 0xffffff;
  }
  const known = texts[hash & 0xff]!;
  if (known.length === size && same(known, bytes, start)) return known;
  const text = String.fromCharCode(...bytes.subarray(start, at));
  texts[hash & 0xff] = text;
  return text;
}

function same(text: string, bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) !== bytes[start + i]) return false;
  return true;
}

/** The bytes that the library would make of it. */
export function writeUsual({ proto, typ, sid, props, seq }: ProtoHeader, body?: Uint8Array): Uint8Array | undefined {
  const size = body?.length ?? 0;
  if (size > room / 2) return undefined;
  scratch[0] = size > 0 ? 0x82 : 0x81;
  at = 1;
  writeText('hdr');
  const map = at++;
  let entries = 1;
  writeText('proto');
  if (!writeValue(proto)) return undefined;
  if (typ) {
    entries++;
    writeText('typ');
    if (!writeText(typ)) return undefined;
  }
  if (sid) {
    entries++;
    writeText('sid');
    if (!writeText(sid)) return undefined;
  }
  if (props) {
    const before = at;
    writeText('props');
    const inner = at++;
    let count = 0;
    for (const key in props) {
      const value = props[key];
      // The library leaves it out.
      if (value === undefined) continue;
      if (++count > 15 || !writeText(key) || !writeValue(value)) return undefined;
    }
    scratch[inner] = 0x80 + count;
    if (count > 0) entries++;
    // One whose entries are all undefined is an empty map to the library, and none to us.
    else at = before;
  }
  if (seq !== undefined) {
    entries++;
    writeText('seq');
    if (!writeValue(seq)) return undefined;
  }
  scratch[map] = 0x80 + entries;
  if (size === 0) return at <= room ? scratch.slice(0, at) : undefined;
  writeText('body');
  if (size < 0x100) {
    scratch[at++] = 0xc4;
    scratch[at++] = size;
  } else {
    scratch[at++] = 0xc5;
    scratch[at++] = size >> 8;
    scratch[at++] = size & 0xff;
  }
  if (at + size > room) return undefined;
  const frame = new Uint8Array(at + size);
  frame.set(scratch.subarray(0, at));
  frame.set(body!, at);
  return frame;
}

function writeValue(value: unknown): boolean {
  if (typeof value === 'string') return writeText(value);
  if (typeof value === 'number') return writeCount(value);
  if (typeof value === 'boolean') scratch[at++] = value ? 0xc3 : 0xc2;
  else if (typeof value === 'bigint' && value >= 0n && value <= 0xffff_ffffn) {
    scratch[at++] = 0xd3;
    writeUint(0, 4);
    writeUint(Number(value), 4);
  } else return false;
  return at <= room;
}

function writeCount(value: number): boolean {
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff || Object.is(value, -0)) return false;
  if (value < 0x80) scratch[at++] = value;
  else if (value < 0x100) writeUint(value, 1, 0xcc);
  else if (value < 0x10000) writeUint(value, 2, 0xcd);
  else writeUint(value, 4, 0xce);
  return at <= room;
}

function writeUint(value: number, width: number, type?: number): void {
  if (type !== undefined) scratch[at++] = type;
  for (let shift = (width - 1) * 8; shift >= 0; shift -= 8) scratch[at++] = (value >>> shift) & 0xff;
}

function writeText(text: string): boolean {
  const { length } = text;
  if (length > longest) return false;
  if (length < 32) scratch[at++] = 0xa0 + length;
  else {
    scratch[at++] = 0xd9;
    scratch[at++] = length;
  }
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return false;
    scratch[at++] = code;
  }
  return at <= room;
}
