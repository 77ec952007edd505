import { CodedError } from '#base/errors';
import { requestIdHeader, totalCountHeader } from '#proto/http/conventions';
import { dropToken, readToken } from './token.ts';

/** A request that did not do what it should. `status` 0: no answer came at all. */
export class ApiFailure extends CodedError {
  readonly status: number;
  readonly requestId: string | undefined;
  /** The body as far as it was one: some errors say more in keys of their own. */
  readonly said: Readonly<Record<string, unknown>>;
  constructor(
    status: number,
    message: string,
    requestId?: string,
    { said = {}, ...options }: ErrorOptions & { said?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(`http_${status}`, message, options);
    this.status = status;
    this.requestId = requestId;
    this.said = said;
  }
}

/** One page of a list. `total` is undefined where the route does not count. */
export interface Page<T> {
  readonly items: T[];
  readonly total: number | undefined;
  readonly more: boolean;
}

export type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>;

export interface CallOptions {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly query?: Query;
  readonly body?: unknown;
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

const onSignedOut = new Set<() => void>();
/** Calls back when the server no longer takes the token. Returns what undoes it. */
export function whenSignedOut(listener: () => void): () => void {
  onSignedOut.add(listener);
  return () => onSignedOut.delete(listener);
}

export function pathOf(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === '') continue;
    if (typeof value === 'object') for (const each of value) search.append(name, each);
    else search.append(name, String(value));
  }
  return search.size > 0 ? `${path}?${search}` : path;
}

/** Sends a request with the user's token; throws `ApiFailure` for any answer that is no success. */
export async function send(path: string, options: CallOptions = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  const token = readToken();
  if (token && !headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
  if (options.body !== undefined) headers.set('content-type', 'application/json');
  let response: Response;
  try {
    response = await fetch(pathOf(path, options.query), {
      method: options.method ?? 'GET',
      headers,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(options.signal ? { signal: options.signal } : {}),
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiFailure(0, 'The server cannot be reached.', undefined, { cause: error });
  }
  if (response.ok) return response;
  throw await failureOf(response.status, await response.text(), response.headers.get(requestIdHeader) ?? undefined);
}

/** A plain request in the user's name, for an add-on: below this server's root and nowhere else. */
export function fetchAsUser(path: string, init: RequestInit = {}): Promise<Response> {
  const url = new URL(path, location.origin);
  if (url.origin !== location.origin) return Promise.reject(new Error(`${path} is not on this server`));
  const headers = new Headers(init.headers);
  const token = readToken();
  if (token) headers.set('authorization', `Bearer ${token}`);
  return fetch(url, { ...init, headers });
}

/** The failure that an answer stands for; a refused token signs the user out. */
export async function failureOf(status: number, text: string, requestId?: string): Promise<ApiFailure> {
  let said: { error?: unknown; request_id?: unknown } = {};
  try {
    said = JSON.parse(text) as typeof said;
  } catch {
    // Not ours: a proxy's page, or nothing at all. The status speaks.
  }
  const message = typeof said?.error === 'string' && said.error ? said.error : `the server answered ${status}`;
  if (status === 401 && readToken()) {
    dropToken();
    for (const listener of onSignedOut) listener();
  }
  const id = typeof said?.request_id === 'string' ? said.request_id : requestId;
  return new ApiFailure(status, message, id, { said: { ...said } });
}

export async function getJson<T>(path: string, options: CallOptions = {}): Promise<T> {
  return (await (await send(path, options)).json()) as T;
}

/** One page of a list route: total from `X-Total-Count`, "there is more" from `Link` or the total. */
export async function getPage<T>(path: string, options: CallOptions = {}): Promise<Page<T>> {
  const response = await send(path, options);
  const items = ((await response.json()) as T[] | null) ?? [];
  const count = response.headers.get(totalCountHeader);
  return {
    items,
    total: count === null ? undefined : Number(count),
    more: /rel="?next"?/.test(response.headers.get('link') ?? ''),
  };
}
