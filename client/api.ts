import { CodedError } from '#base/errors';
import type { Access, Grant } from './auth/access.ts';
import type { Clock } from './retries.ts';
import { textOf, type Transport } from './transport.ts';

/** An answer that is no success. `retryAfter` in ms, with 429 only. */
export class ApiError extends CodedError {
  readonly status: number;
  readonly retryAfter: number | undefined;
  constructor(what: string, status: number, answer: string, retryAfter?: number) {
    super(
      status === 429 && retryAfter !== undefined ? 'too_many_requests' : `http_${status}`,
      `${what}: server answers ${status}${answer ? ` ${answer.slice(0, 300)}` : ''}`,
    );
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** Calls of the device API in our name: token fetched when there is none, one new token and one repeat on 401. */
export class Api {
  readonly #access: Access;
  readonly #transport: Transport;
  readonly #clock: Clock;
  constructor(access: Access, transport: Transport, clock: Clock) {
    this.#access = access;
    this.#transport = transport;
    this.#clock = clock;
  }

  /** The answer if its status is one of `good`; throws `ApiError` or a transport error else. */
  async call(
    method: string,
    path: string,
    good: readonly number[],
    signal: AbortSignal,
    body?: unknown,
  ): Promise<Answer> {
    const grant = this.#access.grant ?? (await this.#access.fetch(signal));
    let answer = await this.#send(this.#known(grant), method, path, signal, body);
    if (answer.status === 401) {
      this.#access.drop(grant?.token);
      const renewed = await this.#access.fetch(signal);
      answer = await this.#send(this.#known(renewed), method, path, signal, body);
    }
    if (good.includes(answer.status)) return answer;
    throw new ApiError(`${method} ${path.split('?')[0]}`, answer.status, answer.text.trim(), answer.retryAfter);
  }

  #known(grant: Grant | undefined): Grant {
    if (!grant) throw new CodedError('unauthorized', 'no server accepts this device yet');
    return grant;
  }

  async #send(grant: Grant, method: string, path: string, signal: AbortSignal, body?: unknown) {
    const reply = await this.#transport.request(`${grant.server}${path}`, {
      method,
      signal,
      headers: {
        Authorization: `Bearer ${grant.token}`,
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await textOf(reply);
    return { status: reply.status, text, retryAfter: delayOf(reply.headers['retry-after'], this.#clock) };
  }
}

/** `Retry-After` in ms: seconds, or an HTTP date (a past one is now). */
export function delayOf(header: string | undefined, clock: Clock): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header.trim())) return Number(header) * clock.second;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now());
}
