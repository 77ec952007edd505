// Not part of the browser's door (`index.ts`): ajv compiles by `new Function`, which a strict CSP forbids.
import { Ajv, type ValidateFunction } from 'ajv';
import type { Static, TSchema } from 'typebox';
import { CodedError } from '#base/errors';
import { unpack, type ProtoMsg } from './envelope.ts';
import { Bytes, narrow, type MessageOf, type Protocol } from './protocol.ts';

// Our own schemas come out of typebox: checking them against JSON Schema's schema costs 50 ms at each start, for nothing.
const ajv = new Ajv({
  strict: true,
  useDefaults: true,
  allowUnionTypes: true,
  validateSchema: false,
  addUsedSchema: false,
});
ajv.addKeyword({
  keyword: 'bytes',
  schemaType: 'boolean',
  validate: (_: boolean, data: unknown) => data instanceof Uint8Array,
});
ajv.addKeyword({ keyword: 'int64', schemaType: 'boolean' });

/**
 * Compiles a schema once, when it is first needed: most runs of a program need few of those that it knows. The result
 * takes a value from outside and returns it typed, or throws `invalid_message`.
 */
export function parser<S extends TSchema>(schema: S, code = 'invalid_message'): (value: unknown) => Static<S> {
  let compiled: ValidateFunction<Static<S>> | undefined;
  return (value) => {
    const valid = (compiled ??= ajv.compile<Static<S>>(schema));
    if (valid(value)) return value;
    throw new CodedError(code, ajv.errorsText(valid.errors, { dataVar: '' }).replaceAll(/(^|, )[/ ]/g, '$1'));
  };
}

/**
 * Compiles a protocol once; the result takes a decoded frame and returns its message typed, or throws
 * `unknown_message` (no such `typ`) or `invalid_message` (wrong shape).
 */
export function messageParser<P extends Protocol>(protocol: P): (frame: ProtoMsg) => MessageOf<P> {
  const shapes = new Map(
    Object.entries(protocol.messages).map(([typ, shape]) => [
      typ,
      {
        props: shape.props && parser(shape.props),
        body: shape.body && shape.body !== Bytes ? parser(shape.body) : undefined,
        raw: shape.body === Bytes,
      },
    ]),
  );
  return ({ hdr, body }) => {
    const typ = hdr.typ ?? '';
    const shape = shapes.get(typ);
    if (!shape) throw new CodedError('unknown_message', `no message '${typ}' in protocol ${protocol.number}`);
    const message: { typ: string; props?: unknown; body?: unknown } = { typ };
    if (shape.props) message.props = shape.props(hdr.props ? narrow(hdr.props) : {});
    if (shape.raw) message.body = body ?? new Uint8Array();
    else if (shape.body) message.body = shape.body(body ? narrow(unpack(body)) : {});
    return message as unknown as MessageOf<P>;
  };
}
