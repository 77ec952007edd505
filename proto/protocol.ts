import { Type, type Static, type TSchema } from 'typebox';
import { pack, type ProtoMsg } from './envelope.ts';

/** Bytes as they are: JSON Schema has no such type, so the keyword `bytes` checks it (`validate.ts`). */
export const Bytes = Type.Unsafe<Uint8Array>({ bytes: true });
type BytesSchema = typeof Bytes;

/**
 * An integer that must travel as int64 because a Go peer asserts that width (`connect-protocol.md` §2.2): a number in
 * TypeScript, `d3` and 8 bytes on the wire.
 */
export const Int64 = (options: { minimum?: number; maximum?: number } = {}) =>
  Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER, ...options, int64: true });

/** What one message carries: header properties, and a body that is raw `Bytes` or a structure in MessagePack. */
export interface Shape {
  readonly props?: TSchema;
  readonly body?: TSchema;
}
export interface Protocol<M extends Readonly<Record<string, Shape>> = Readonly<Record<string, Shape>>> {
  readonly number: number;
  readonly messages: M;
}

/** Declares a set of messages once: schema for the wire, types derived from it. */
export const defineProtocol = <const M extends Readonly<Record<string, Shape>>>(
  number: number,
  messages: M,
): Protocol<M> => ({ number, messages });

type PropsOf<S> = S extends { readonly props: infer P extends TSchema } ? { readonly props: Static<P> } : unknown;
type BodyOf<S> = S extends { readonly body: infer B extends TSchema }
  ? { readonly body: B extends BytesSchema ? Uint8Array : Static<B> }
  : unknown;

/** The union of a protocol's messages, told apart by `typ`. */
export type MessageOf<P extends Protocol> = {
  [T in keyof P['messages'] & string]: { readonly typ: T } & PropsOf<P['messages'][T]> & BodyOf<P['messages'][T]>;
}[keyof P['messages'] & string];

/** Any message, before or after its type is known. */
export interface LooseMessage {
  readonly typ: string;
  readonly props?: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

/**
 * A message as a frame of its protocol, for session `sid`, numbered where it may resume. Structured bodies are packed,
 * marked integers widened.
 */
export function toFrame(protocol: Protocol, message: LooseMessage, sid?: string, seq?: number): ProtoMsg {
  const shape = protocol.messages[message.typ];
  const hdr: { proto: number; typ: string; sid?: string; props?: Readonly<Record<string, unknown>>; seq?: number } = {
    proto: protocol.number,
    typ: message.typ,
  };
  if (sid !== undefined) hdr.sid = sid;
  if (seq !== undefined) hdr.seq = seq;
  if (message.props !== undefined) hdr.props = shape?.props ? widen(shape.props, message.props) : message.props;
  const { body } = message;
  if (body === undefined) return { hdr };
  if (body instanceof Uint8Array) return { hdr, body };
  return { hdr, body: pack(shape?.body ? widen(shape.body, body as Record<string, unknown>) : body) };
}

/** Names of the integers that travel as int64, found once a schema. */
const wideOf = new WeakMap<TSchema, readonly string[]>();

function widen(schema: TSchema, value: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  let wide = wideOf.get(schema);
  if (!wide) {
    const { properties = {} } = schema as { properties?: Record<string, { int64?: boolean }> };
    wide = Object.keys(properties).filter((key) => properties[key]?.int64);
    wideOf.set(schema, wide);
  }
  let result = value as Record<string, unknown>;
  for (const key of wide) {
    const entry = value[key];
    if (typeof entry !== 'number') continue;
    if (result === value) result = { ...value };
    result[key] = BigInt(entry);
  }
  return result;
}

/** Bigints of the wire as numbers where that loses nothing: what a schema of integers can check. */
export function narrow(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
  if (Array.isArray(value)) return value.map(narrow);
  if (typeof value === 'object' && value !== null && !(value instanceof Uint8Array) && !(value instanceof Date)) {
    const result: Record<string, unknown> = {};
    for (const key of Object.keys(value)) result[key] = narrow((value as Record<string, unknown>)[key]);
    return result;
  }
  return value;
}
