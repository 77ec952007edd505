import type { AnyWebHost } from '#addon/web';
import { groupsPath } from '#proto/http/groups';
import { base, type Change, type Differing, type Given, type Revision, type Sent, type Whole } from '../answers.ts';
import type { Schema } from '../keys.ts';

const reference = '/api/management/v1/deviceconfig/configurations/device';

/** Where settings are given. */
export type PlacePath = 'fleet' | `groups/${string}` | `devices/${string}`;

export const groupPath = (name: string): PlacePath => `groups/${encodeURIComponent(name)}`;
export const devicePath = (id: string): PlacePath => `devices/${encodeURIComponent(id)}`;

/** Requests of the pages. Each rejects with what the server says is wrong. */
export class Api {
  readonly #host: Pick<AnyWebHost, 'fetch'>;
  constructor(host: Pick<AnyWebHost, 'fetch'>) {
    this.#host = host;
  }

  device = (id: string): Promise<Whole> => this.#ask('GET', `${base}/${devicePath(id)}`);
  given = (place: PlacePath): Promise<Given> => this.#ask('GET', `${base}/${place}`);
  history = (place: PlacePath): Promise<Revision[]> => this.#ask('GET', `${base}/${place}/history?limit=20`);
  change = (place: PlacePath, change: Change): Promise<Given> => this.#ask('PATCH', `${base}/${place}`, change);
  revert = (place: PlacePath, revision: number): Promise<Given> =>
    this.#ask('POST', `${base}/${place}/revert`, { revision });
  schema = (): Promise<Schema> => this.#ask('GET', `${base}/schema`);
  setSchema = (schema: unknown): Promise<void> => this.#ask('PUT', `${base}/schema`, schema);
  /** Of the fleet or of a group: to whom it does not have them. */
  send = (place: PlacePath): Promise<Sent> => this.#ask('POST', `${base}/${place}/deploy`);
  sendTo = (id: string): Promise<{ deployment_id: string }> =>
    this.#ask('POST', `${reference}/${encodeURIComponent(id)}/deploy`, {});
  /** All that the person may see, static and dynamic. */
  groups = (): Promise<{ name: string }[]> => this.#ask('GET', groupsPath);

  /** A page of devices that were looked at, of all or of a group: those that differ, and how many there are to look at. */
  async differing(group: string, page: number, perPage: number): Promise<{ found: Differing[]; total: number }> {
    const where = group === '' ? '' : `&group=${encodeURIComponent(group)}`;
    const answer = await this.#send('GET', `${base}/drift?page=${page}&per_page=${perPage}${where}`);
    return { found: (await answer.json()) as Differing[], total: Number(answer.headers.get('x-total-count') ?? 0) };
  }

  async #ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const text = await (await this.#send(method, path, body)).text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  async #send(method: string, path: string, body?: unknown): Promise<Response> {
    const json =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer = await this.#host.fetch(path, { method, ...json });
    if (answer.ok) return answer;
    const said = (await answer.json().catch(() => ({}))) as { error?: string };
    throw new Refused(said.error ?? `the server answers ${answer.status}`, answer.status);
  }
}

/** In the server's words. */
export class Refused extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
