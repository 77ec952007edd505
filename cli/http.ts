import { type as systemName } from 'node:os';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { plain } from './io.ts';

export interface HttpOptions {
  /** `https://patchbay.example.com`, perhaps with a path; no slash at the end. */
  readonly server: string;
  readonly token?: string | undefined;
  /** Certificates are not checked. Only ever by the caller's own option. */
  readonly insecure: boolean;
  readonly signal: AbortSignal;
}

export interface RequestOptions {
  readonly query?: Readonly<Record<string, string | number | readonly string[] | undefined>> | undefined;
  readonly json?: unknown;
  readonly body?: ReadableStream<Uint8Array>;
  readonly headers?: Readonly<Record<string, string>>;
  /** ms until the answer's head is there; 0: as long as it takes. */
  readonly timeout?: number;
  /** What was asked for, for the error: `device 'raspi'`. */
  readonly what?: string;
}

/** Largest answer that is taken into memory, bytes: a page of 500 devices with 100 attributes each is far below. */
const answerLimit = 64 * 1024 * 1024;
const timeoutDefault = 30_000;

/** A refusal by the server, told in one line. */
export class Refusal extends CodedError {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  constructor(status: number, message: string, body: Readonly<Record<string, unknown>>) {
    super('refused', message);
    this.status = status;
    this.body = body;
  }
}

/** Requests to one server in one user's name. */
export class Http {
  readonly options: HttpOptions;
  #fetch: Promise<typeof fetch> | undefined;
  constructor(options: HttpOptions) {
    this.options = options;
  }

  /** The answer, its body unread, if its status is a success; throws a `Refusal` or `unreachable` else. */
  async request(method: string, path: string, request: RequestOptions = {}): Promise<Response> {
    const { server, token, signal } = this.options;
    const url = new URL(server + path);
    for (const [key, value] of Object.entries(request.query ?? {})) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one !== undefined) url.searchParams.append(key, String(one));
      }
    }
    const headers = new Headers(request.headers);
    if (token && !headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
    const init: RequestInit & { duplex?: 'half' } = { method, headers, redirect: 'manual' };
    if (request.json !== undefined) {
      headers.set('content-type', 'application/json');
      init.body = JSON.stringify(request.json);
    } else if (request.body) {
      init.body = request.body;
      init.duplex = 'half';
    }
    const response = await this.#send(url, init, request.timeout ?? timeoutDefault, signal);
    if (response.ok) return response;
    throw await refusal(response, server, request.what);
  }

  /** As `request`, with the body parsed; undefined if there is none. */
  async json(method: string, path: string, request: RequestOptions = {}): Promise<unknown> {
    const text = await this.text(method, path, request);
    if (!text) return undefined;
    try {
      return JSON.parse(text);
    } catch {
      throw new CodedError('bad_answer', `${this.options.server} answered ${path} with something that is no JSON`);
    }
  }

  async text(method: string, path: string, request: RequestOptions = {}): Promise<string> {
    return readText(await this.request(method, path, request));
  }

  /** The answer whatever its status is. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const { server, token, signal } = this.options;
    const headers = new Headers(init.headers);
    if (token && !headers.has('authorization')) headers.set('authorization', `Bearer ${token}`);
    return await this.#send(new URL(server + path), { ...init, headers }, 0, signal);
  }

  /** A GET of an absolute address that the server gave us; the token goes along only to the server itself. */
  async get(address: string): Promise<Response> {
    const { server, signal } = this.options;
    const url = new URL(address, server);
    if (!['http:', 'https:'].includes(url.protocol)) throw new CodedError('bad_answer', `no download link: ${address}`);
    const headers = new Headers();
    if (url.origin === new URL(server).origin && this.options.token) {
      headers.set('authorization', `Bearer ${this.options.token}`);
    }
    const response = await this.#send(url, { method: 'GET', headers }, timeoutDefault, signal);
    if (response.ok) return response;
    throw await refusal(response, server);
  }

  async #send(url: URL, init: RequestInit, timeout: number, signal: AbortSignal): Promise<Response> {
    const headers = new Headers(init.headers);
    // The list of logins and the audit log say what it was.
    headers.set('user-agent', `patchbay/1 (${systemName()})`);
    const late = new AbortController();
    const timer = timeout ? setTimeout(() => late.abort(), timeout) : undefined;
    try {
      const send = await (this.#fetch ??= sender(this.options.insecure));
      return await send(url, { ...init, headers, signal: AbortSignal.any([signal, late.signal]) });
    } catch (error) {
      if (signal.aborted) throw new CodedError('interrupted', 'interrupted', { cause: error });
      if (late.signal.aborted) {
        throw new CodedError('unreachable', `${this.options.server} did not answer within ${timeout / 1000} s`);
      }
      throw unreachable(this.options.server, error);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function sender(insecure: boolean): Promise<typeof fetch> {
  if (!insecure) return fetch;
  const undici = await import('undici');
  const dispatcher = new undici.Agent({ connect: { rejectUnauthorized: false } });
  // Same library, two copies: the types of the built-in one and of the package differ only by name.
  const send: unknown = (url: URL, init: object) => undici.fetch(url, { ...init, dispatcher });
  return send as typeof fetch;
}

/** The body as text, refused when it is longer than a server's answer can sensibly be. */
export async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > answerLimit)
      throw new CodedError('bad_answer', `the server's answer is longer than ${answerLimit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function unreachable(server: string, error: unknown): CodedError {
  const cause = (error as { cause?: unknown }).cause ?? error;
  const code = codeOf(cause) ?? codeOf((cause as { errors?: unknown[] } | null)?.errors?.[0]);
  const host = new URL(server).host;
  const told = (code && (reasons[code] ?? (code.startsWith('ERR_SSL_') && noTls))) || messageOf(cause);
  const certificate = code && /CERT|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(code);
  return new CodedError(
    'unreachable',
    certificate
      ? `the certificate of ${host} is not trusted (${messageOf(cause)}): name its CA in NODE_EXTRA_CA_CERTS`
      : `cannot reach ${server}: ${told}`,
    { cause: error },
  );
}

/** OpenSSL's own words name a line of its source. */
const noTls = 'it does not speak TLS as we do: is it an http:// server?';

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there: is the server running, is --server right?',
  ENOTFOUND: 'there is no such host: is --server right?',
  EAI_AGAIN: 'its name cannot be looked up: is the network up?',
  ECONNRESET: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  ETIMEDOUT: 'it does not answer',
  UND_ERR_CONNECT_TIMEOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to it from here',
  ENETUNREACH: 'there is no network',
};

async function refusal(response: Response, server: string, what?: string): Promise<Refusal> {
  const text = await readText(response).catch(() => '');
  let body: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed && typeof parsed === 'object') body = parsed as Record<string, unknown>;
  } catch {
    // A proxy's page: its status has to do.
  }
  const said = typeof body['error'] === 'string' ? plain(body['error']).slice(0, 500) : undefined;
  const id = response.headers.get('x-men-requestid');
  return new Refusal(response.status, told(response, server, said, id ? plain(id) : undefined, what), body);
}

function told(response: Response, server: string, said?: string, id?: string, what?: string): string {
  const about = what ? `${what}: ` : '';
  const because = said ? `: ${said}` : '';
  const request = id ? ` (request ${id})` : '';
  const status = response.status;
  if (status === 401) return `${about}${server} does not know you, or no longer: run 'patchbay login ${server}'`;
  if (status === 403) return `${about}${said ?? 'your roles do not allow this'}${request}`;
  if (status === 404) return `${what ?? 'that'} is not there${because}`;
  if (status === 413) return `${about}too large for the server${because}`;
  if (status === 429) {
    const after = response.headers.get('retry-after');
    return `${about}too many requests: try again ${after ? `in ${plain(after)} s` : 'later'}`;
  }
  if (status >= 300 && status < 400) {
    const target = response.headers.get('location');
    return `${server} sends us on to ${target ? plain(target) : 'another place'}: is that the right --server?`;
  }
  if (status >= 500) return `${about}the server failed with status ${status}${because}${request}`;
  return `${about}${said ?? `the server refused with status ${status}`}`;
}
