import { Decoder, Encoder } from '@msgpack/msgpack';
import { CodedError, messageOf } from '#base/errors';
import { readUsual, writeUsual } from './usual.ts';

/** Protocol numbers on the session socket (`connect-protocol.md` §3.1). Add-ons of third parties take 0x8000–0xFFFE. */
export const ProtoType = { Shell: 1, FileTransfer: 2, PortForward: 3, MenderClient: 4, Control: 0xffff } as const;

export interface ProtoHeader {
  readonly proto: number;
  readonly typ?: string;
  readonly sid?: string;
  /** Values keep their wire width: an int64 of the wire is a bigint here, and travels on as int64. */
  readonly props?: Readonly<Record<string, unknown>>;
  /** Ours: the number of a message in a session that may resume (`resume.ts`). Stock peers never get one. */
  readonly seq?: number;
}

/** One frame of the session socket (`connect-protocol.md` §2): a header and opaque bytes. */
export interface ProtoMsg {
  readonly hdr: ProtoHeader;
  readonly body?: Uint8Array;
}

/** No reference device takes a larger frame (`connect-protocol.md` §1.2): it closes with 1009. */
export const deviceFrameLimit = 8192;
/** A device of ours takes this, and says so (`framesExtension`). */
export const largeFrameLimit = 1024 * 1024;
/** What the server and our own device take. */
export const frameLimit = 8 * 1024 * 1024;
/** Bytes of body that fit into one frame for any device, whatever its header. */
export const bodyChunk = 4096;

/** Go's type assertions want int64 exactly (`d3` and 8 bytes, `connect-protocol.md` §2.2); the library would write uint64. */
function makeEncoder(): Encoder {
  const made = new Encoder({ useBigInt64: true, ignoreUndefined: true });
  const inner = made as unknown as { writeU8(value: number): void; writeBigInt64(value: bigint): void };
  const encodeBigInt64 = (value: bigint): void => {
    inner.writeU8(0xd3);
    inner.writeBigInt64(value);
  };
  return Object.assign(made, { encodeBigInt64 });
}

// One of each for all: a new one per frame costs more than the frame of a key press. Neither keeps anything of a
// message but the encoder its buffer, which is why a large body does not go through it.
const encoder = makeEncoder();
const decoder = new Decoder({
  useBigInt64: true,
  maxStrLength: frameLimit,
  maxBinLength: frameLimit,
  maxArrayLength: 65536,
  maxMapLength: 4096,
});
const large = 1024;

/** MessagePack of any value, bigint as int64, undefined left out. Never throws on what a schema let through. */
export function pack(value: unknown): Uint8Array {
  return encoder.encode(value);
}

/** The value of MessagePack bytes, int64 as bigint. Throws `invalid_frame`. Trailing bytes are ignored, as Go does. */
export function unpack(bytes: Uint8Array): unknown {
  try {
    // decodeMulti stops after the first value when it is not asked for a second one.
    for (const value of decoder.decodeMulti(bytes)) return value;
  } catch (error) {
    throw new CodedError('invalid_frame', `not MessagePack: ${messageOf(error)}`, { cause: error });
  }
  throw new CodedError('invalid_frame', 'not MessagePack: no bytes');
}

/** The bytes of a frame. Empty `typ`, `sid`, `props` and `body` are left out, never nil (item A-2). */
export function encode(message: ProtoMsg): Uint8Array {
  const usual = writeUsual(message.hdr, message.body);
  if (usual) return usual;
  const { proto, typ, sid, props, seq } = message.hdr;
  const { body } = message;
  const hdr: Record<string, unknown> = { proto };
  if (typ) hdr['typ'] = typ;
  if (sid) hdr['sid'] = sid;
  if (props && hasKeys(props)) hdr['props'] = props;
  if (seq !== undefined) hdr['seq'] = seq;
  if (!body || body.length === 0) return encoder.encode({ hdr });
  return body.length < large ? encoder.encode({ hdr, body }) : withBody(encoder.encode({ hdr }), body);
}

/** `{hdr}` becomes `{hdr, body}`. By hand: the library copies a body twice, and keeps a buffer of its size. */
function withBody(head: Uint8Array, body: Uint8Array): Uint8Array {
  const size = body.length;
  const width = size < 0x10000 ? 2 : 4;
  const start = head.length + bodyKey.length + 1 + width;
  const frame = unwritten(start + size);
  frame.set(head);
  frame[0] = 0x82;
  frame.set(bodyKey, head.length);
  // bin16 or bin32
  frame[head.length + bodyKey.length] = width === 2 ? 0xc5 : 0xc6;
  for (let at = 1, rest = size; at <= width; at++, rest = Math.floor(rest / 256)) frame[start - at] = rest % 256;
  frame.set(body, start);
  return frame;
}

/** Bytes that are all written over at once: to have them zeroed first costs as much as a copy, and only Node can do without. */
const { Buffer: raw } = globalThis as { Buffer?: { allocUnsafeSlow(size: number): Uint8Array } };
const unwritten = (size: number): Uint8Array => raw?.allocUnsafeSlow(size) ?? new Uint8Array(size);

const bodyKey = Uint8Array.of(0xa4, 0x62, 0x6f, 0x64, 0x79);

function hasKeys(map: object): boolean {
  for (const _ in map) return true;
  return false;
}

const utf8 = new TextEncoder();
const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

/**
 * The frame of some bytes; throws `invalid_frame`. Liberal as item A asks: nil anywhere but `proto`, a `body` that is
 * a string (browsers) or an empty map (the old UI's `stop`), integers of any width, unknown keys.
 */
export function decode(bytes: Uint8Array): ProtoMsg {
  const usual = readUsual(bytes);
  if (usual) return usual;
  const value = unpack(bytes);
  if (!isMap(value) || !isMap(value['hdr'])) throw new CodedError('invalid_frame', 'no hdr map');
  const { proto, typ, sid, props, seq } = value['hdr'];
  const number = typeof proto === 'bigint' ? Number(proto) : proto;
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > 0xffff)
    throw new CodedError('invalid_frame', 'hdr.proto is no uint16');
  const hdr: { proto: number; typ?: string; sid?: string; props?: Record<string, unknown>; seq?: number } = {
    proto: number,
  };
  const type = text(typ, 'typ');
  const session = text(sid, 'sid');
  const properties = map(props);
  const body = bodyOf(value['body']);
  if (type !== undefined) hdr.typ = type;
  if (session !== undefined) hdr.sid = session;
  if (properties !== undefined) hdr.props = properties;
  if (seq !== undefined && seq !== null) hdr.seq = count(seq);
  return body === undefined ? { hdr } : { hdr, body };
}

function text(value: unknown, key: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw new CodedError('invalid_frame', `hdr.${key} is no string`);
}

function map(value: unknown): Record<string, unknown> | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isMap(value)) throw new CodedError('invalid_frame', 'hdr.props is no map');
  return hasKeys(value) ? value : undefined;
}

function count(value: unknown): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number) && number > 0) return number;
  throw new CodedError('invalid_frame', 'hdr.seq is no count');
}

function bodyOf(value: unknown): Uint8Array | undefined {
  if (value === undefined || value === null) return undefined;
  if (value instanceof Uint8Array) return value.length > 0 ? value : undefined;
  if (typeof value === 'string') return value.length > 0 ? utf8.encode(value) : undefined;
  if (isMap(value) && !hasKeys(value)) return undefined;
  throw new CodedError('invalid_frame', 'body is neither bytes nor text');
}
