import { CodedError } from '#base/errors';
import type { CliHost } from '#addon/cli';
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
  type Passed,
  type Silence,
  type Standing,
} from '../answers.ts';
import type { Filter } from './filter.ts';

const reference = '/api/management/v1/devicemonitor/devices';
const perPage = 500;

type Query = Readonly<Record<string, string | number | undefined>>;
type Host = Pick<CliHost, 'fetch'>;

/** Requests to the server half. Each throws a CodedError with what the server says is wrong. */
export class Api {
  readonly #host: Host;
  constructor(host: Host) {
    this.#host = host;
  }

  /** All that is not OK and fits. */
  standing = (filter: Filter): Promise<Standing[]> => this.#all(`${base}/alerts`, { ...filter });
  counts = ({ state: _, ...filter }: Filter): Promise<Counts> => this.#ask('GET', `${base}/counts`, { query: filter });
  /** The newest alert of each check of a device. */
  latest = (id: string): Promise<Kept[]> => this.#all(`${reference}/${id}/alerts/latest`, {});
  /** Alerts of a device, the newest first, page after page. */
  history = (id: string, bounds: Query): AsyncGenerator<Kept> => this.#pages(`${reference}/${id}/alerts`, bounds);
  /** Alerts of all devices, the last first, page after page. */
  async *passed({ state: _, ...filter }: Filter, bounds: Query): AsyncGenerator<Passed> {
    for (let page = 1, full = true; full; page += 1) {
      const query = { ...filter, ...bounds, page, per_page: perPage };
      const found = await this.#ask<Passed[]>('GET', `${base}/history`, { query });
      yield* found;
      full = found.length === perPage;
    }
  }

  acknowledge = (id: string, body: { checks?: readonly string[]; note?: string }): Promise<{ checks: string[] }> =>
    this.#ask('POST', `${base}/devices/${id}/acknowledge`, { body });
  unacknowledge = (id: string, body: { checks?: readonly string[] }): Promise<{ checks: string[] }> =>
    this.#ask('POST', `${base}/devices/${id}/unacknowledge`, { body });

  silences = (): Promise<Silence[]> => this.#ask('GET', `${base}/silences`);
  silence = (body: object): Promise<Silence> => this.#ask('POST', `${base}/silences`, { body });
  unsilence = (id: string): Promise<void> => this.#ask('DELETE', `${base}/silences/${id}`);

  channels = (): Promise<Channel[]> => this.#ask('GET', `${base}/channels`);
  addChannel = (body: object): Promise<Channel> => this.#ask('POST', `${base}/channels`, { body });
  changeChannel = (id: string, body: object): Promise<Channel> =>
    this.#ask('PATCH', `${base}/channels/${id}`, { body });
  removeChannel = (id: string): Promise<void> => this.#ask('DELETE', `${base}/channels/${id}`);
  testChannel = (id: string): Promise<{ sent: boolean; error?: string }> =>
    this.#ask('POST', `${base}/channels/${id}/test`);
  deliveries = (limit: number): Promise<Delivery[]> =>
    this.#ask('GET', `${base}/deliveries`, { query: { per_page: limit } });

  settings = (): Promise<MonitorSettings> => this.#ask('GET', `${base}/settings`);
  changeSettings = (body: object): Promise<MonitorSettings> => this.#ask('PATCH', `${base}/settings`, { body });

  deviceChecks = (id: string): Promise<DeviceChecks> => this.#ask('GET', `${base}/devices/${id}/checks`);
  /** `place`: `fleet`, `groups/NAME` or `devices/ID`. */
  checks = (place: string): Promise<CheckLayer> => this.#ask('GET', `${base}/checks/${place}`);
  setChecks = (place: string, body: object): Promise<CheckLayer> =>
    this.#ask('PUT', `${base}/checks/${place}`, { body });
  checkHistory = (place: string, limit: number): Promise<CheckVersion[]> =>
    this.#ask('GET', `${base}/checks/${place}/history`, { query: { limit } });
  revertChecks = (place: string, version: number): Promise<CheckLayer> =>
    this.#ask('POST', `${base}/checks/${place}/revert`, { body: { version } });

  async #all<T>(path: string, query: Query): Promise<T[]> {
    const found: T[] = [];
    for await (const one of this.#pages<T>(path, query)) found.push(one);
    return found;
  }

  async *#pages<T>(path: string, query: Query): AsyncGenerator<T> {
    for (let page = 1, total = 1; (page - 1) * perPage < total; page += 1) {
      const answer = await this.#host.fetch(withQuery(path, { ...query, page, per_page: perPage }));
      total = Number(answer.headers.get('x-total-count') ?? 0);
      yield* await bodyOf<T[]>(answer);
    }
  }

  async #ask<T>(method: string, path: string, { query = {}, body }: { query?: Query; body?: object } = {}): Promise<T> {
    const json =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    return await bodyOf<T>(await this.#host.fetch(withQuery(path, query), { method, ...json }));
  }
}

function withQuery(path: string, query: Query): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  return search.size > 0 ? `${path}?${search.toString()}` : path;
}

/** Throws what the server says is wrong. */
async function bodyOf<T>(answer: Response): Promise<T> {
  const text = await answer.text();
  if (answer.ok) return (text === '' ? undefined : JSON.parse(text)) as T;
  let said = `the server answers ${answer.status}`;
  try {
    said = (JSON.parse(text) as { error?: string }).error ?? said;
  } catch {
    // Somebody between us and the server answers: the status has to do.
  }
  // What a later try may do better is told apart: `watch` goes on.
  throw new CodedError(answer.status >= 500 || answer.status === 429 ? 'unavailable' : 'failed', said);
}
