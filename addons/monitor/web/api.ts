import type { AnyWebHost } from '#addon/web';
import { groupsPath } from '#proto/http/groups';
import {
  base,
  type Channel,
  type CheckLayer,
  type CheckVersion,
  type Counts,
  type Delivery,
  type DeviceChecks,
  type Kept,
  type MonitorSettings,
  type Silence,
  type Standing,
} from '../answers.ts';
import type { Check } from '../check.ts';

const reference = '/api/management/v1/devicemonitor/devices';

type Query = Readonly<Record<string, string | number | undefined>>;

/** One page of a list, and how many there are on all of them. */
export interface Paged<T> {
  readonly found: readonly T[];
  readonly total: number;
}

export interface NewSilence {
  readonly device?: string;
  readonly group?: string;
  readonly check?: string;
  readonly minutes: number;
  readonly reason: string;
}

/** What is given in a place, as it is written. */
export interface Given {
  readonly checks: readonly Check[];
  readonly without: readonly string[];
  readonly priority?: number;
}

/** `fleet`, `groups/NAME` or `devices/ID`. */
export type PlacePath = 'fleet' | `groups/${string}` | `devices/${string}`;

/** Requests of the pages. Each rejects with what the server says is wrong. */
export class Api {
  readonly #fetch: AnyWebHost['fetch'];
  constructor(host: Pick<AnyWebHost, 'fetch'>) {
    this.#fetch = (path, init) => host.fetch(path, init);
  }

  standing = (query: Query): Promise<Paged<Standing>> => this.#page(`${base}/alerts`, query);
  counts = (query: Query): Promise<Counts> => this.#ask('GET', `${base}/counts`, { query });
  latest = (id: string): Promise<Paged<Kept>> => this.#page(`${reference}/${id}/alerts/latest`, { per_page: 500 });
  history = (id: string, query: Query): Promise<Paged<Kept>> => this.#page(`${reference}/${id}/alerts`, query);
  acknowledge = (id: string, checks: readonly string[], note: string): Promise<unknown> =>
    this.#ask('POST', `${base}/devices/${id}/acknowledge`, { body: { checks, note } });
  unacknowledge = (id: string, checks: readonly string[]): Promise<unknown> =>
    this.#ask('POST', `${base}/devices/${id}/unacknowledge`, { body: { checks } });

  silences = (query: Query = {}): Promise<Silence[]> => this.#ask('GET', `${base}/silences`, { query });
  silence = (silence: NewSilence): Promise<Silence> => this.#ask('POST', `${base}/silences`, { body: silence });
  unsilence = (id: string): Promise<void> => this.#ask('DELETE', `${base}/silences/${id}`);

  channels = (): Promise<Channel[]> => this.#ask('GET', `${base}/channels`);
  addChannel = (body: object): Promise<Channel> => this.#ask('POST', `${base}/channels`, { body });
  changeChannel = (id: string, body: object): Promise<Channel> =>
    this.#ask('PATCH', `${base}/channels/${id}`, { body });
  removeChannel = (id: string): Promise<void> => this.#ask('DELETE', `${base}/channels/${id}`);
  testChannel = (id: string): Promise<{ sent: boolean; error?: string }> =>
    this.#ask('POST', `${base}/channels/${id}/test`);
  deliveries = (query: Query): Promise<Paged<Delivery>> => this.#page(`${base}/deliveries`, query);
  settings = (): Promise<MonitorSettings> => this.#ask('GET', `${base}/settings`);
  changeSettings = (body: object): Promise<MonitorSettings> => this.#ask('PATCH', `${base}/settings`, { body });

  deviceChecks = (id: string): Promise<DeviceChecks> => this.#ask('GET', `${base}/devices/${id}/checks`);
  checks = (place: PlacePath): Promise<CheckLayer> => this.#ask('GET', `${base}/checks/${place}`);
  setChecks = (place: PlacePath, body: Given): Promise<CheckLayer> =>
    this.#ask('PUT', `${base}/checks/${place}`, { body });
  checkHistory = (place: PlacePath): Promise<CheckVersion[]> =>
    this.#ask('GET', `${base}/checks/${place}/history`, { query: { limit: 10 } });
  revertChecks = (place: PlacePath, version: number): Promise<CheckLayer> =>
    this.#ask('POST', `${base}/checks/${place}/revert`, { body: { version } });

  /** All that the person may see, static and dynamic. */
  groups = (): Promise<{ name: string }[]> => this.#ask('GET', groupsPath);

  async #page<T>(path: string, query: Query): Promise<Paged<T>> {
    const answer = await this.#send('GET', path, { query });
    const found = (await answer.json()) as T[];
    return { found, total: Number(answer.headers.get('x-total-count') ?? found.length) };
  }

  async #ask<T>(method: string, path: string, request: { query?: Query; body?: object } = {}): Promise<T> {
    const answer = await this.#send(method, path, request);
    const text = await answer.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  async #send(method: string, path: string, { query = {}, body }: { query?: Query; body?: object }): Promise<Response> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query))
      if (value !== undefined && value !== '') search.set(name, String(value));
    const json =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer = await this.#fetch(search.size > 0 ? `${path}?${search.toString()}` : path, { method, ...json });
    if (answer.ok) return answer;
    const said = (await answer.json().catch(() => ({}))) as { error?: string };
    throw new Error(said.error ?? `the server answers ${answer.status}`);
  }
}

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
