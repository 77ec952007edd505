import { Type, type Static, type TSchema } from 'typebox';

/** Every error of the REST API (`server-api.md` §0.3). Some carry more keys. */
export const ApiError = Type.Object({ error: Type.String(), request_id: Type.String() });
export type ApiError = Static<typeof ApiError>;

/** Header that names a request in answers, logs and the audit log; taken from the caller if he sends one. */
export const requestIdHeader = 'x-men-requestid';
export const totalCountHeader = 'x-total-count';

/** Largest JSON body of a request, bytes (§0.3). */
export const jsonBodyLimit = 1_048_576;
export const perPageDefault = 20;
export const perPageLimit = 500;

export const Id = Type.String({ minLength: 1, maxLength: 128, pattern: '^[A-Za-z0-9._:-]+$' });
export const Uuid = Type.String({ pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' });
/** RFC 3339, UTC, milliseconds: `2026-08-22T10:11:12.123Z`. */
export const Timestamp = Type.String({ maxLength: 64 });
export const Text = (maxLength: number, minLength = 0) => Type.String({ minLength, maxLength });
export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** A list parameter of a query: given once or repeated. */
export const Repeated = (maxItems = 100) => Type.Union([Text(4096), Type.Array(Text(4096), { maxItems })]);

/** One of some words. Of a union of mapped literals, typebox could derive no type. */
export const OneOf = <const T extends readonly string[]>(words: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: [...words] });
