import { CodedError } from '#base/errors';

/** What each code of the server's errors is in HTTP. A code that is not here is a fault of ours: 500 `internal error`. */
export const statusOfCode = {
  bad_request: 400,
  invalid_message: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  timeout: 408,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  unprocessable: 422,
  too_many_requests: 429,
  unavailable: 503,
} as const;

type Code = keyof typeof statusOfCode;

/** The status of an error's code; undefined for a code that no client should see. */
export const statusFor = (code: string): number | undefined => (statusOfCode as Readonly<Record<string, number>>)[code];

/** An error that a route answers with: its code gives the status, `extra` more keys of the body, `headers` more headers. */
export class HttpError extends CodedError {
  readonly extra: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    code: Code,
    message: string,
    more: { extra?: Record<string, unknown>; headers?: Record<string, string>; cause?: unknown } = {},
  ) {
    super(code, message, more.cause === undefined ? undefined : { cause: more.cause });
    this.extra = more.extra ?? {};
    this.headers = more.headers ?? {};
  }
}

export const badRequest = (message: string): HttpError => new HttpError('bad_request', message);
export const notFound = (message: string): HttpError => new HttpError('not_found', message);
export const conflict = (message: string, extra: Record<string, unknown> = {}): HttpError =>
  new HttpError('conflict', message, { extra });
export const unprocessable = (message: string): HttpError => new HttpError('unprocessable', message);
export const forbidden = (message: string): HttpError => new HttpError('forbidden', message);
/** 401 with the challenge that clients of the reference know (`server-api.md` §0.2). */
export const unauthorized = (message: string): HttpError =>
  new HttpError('unauthorized', message, { headers: { 'WWW-Authenticate': 'Bearer realm="ManagementJWT"' } });
