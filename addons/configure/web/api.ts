import type { WebHost } from '#addon/web';
import type { Change, Given, Revision, Whole } from '../answers.ts';
import type { Schema } from '../keys.ts';

const base = '/api/management/v1/patchbay/configuration';

/** Requests of the page, for one device. Each rejects with what the server says is wrong. */
export class Api {
  readonly #host: Pick<WebHost, 'device' | 'fetch'>;
  constructor(host: Pick<WebHost, 'device' | 'fetch'>) {
    this.#host = host;
  }

  view = (): Promise<Whole> => this.#ask('GET', this.#device);
  history = (): Promise<Revision[]> => this.#ask('GET', `${this.#device}/history?limit=20`);
  schema = (): Promise<Schema> => this.#ask('GET', `${base}/schema`);
  change = (change: Change): Promise<Given> => this.#ask('PATCH', this.#device, change);
  revert = (revision: number): Promise<Given> => this.#ask('POST', `${this.#device}/revert`, { revision });
  deploy = (): Promise<{ deployment_id: string }> =>
    this.#ask('POST', `/api/management/v1/deviceconfig/configurations/device/${this.#id}/deploy`, {});

  get #id(): string {
    return encodeURIComponent(this.#host.device.id);
  }
  get #device(): string {
    return `${base}/devices/${this.#id}`;
  }

  async #ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    const json =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const answer = await this.#host.fetch(path, { method, ...json });
    const said = (await answer.json().catch(() => ({}))) as T & { error?: string };
    if (!answer.ok) throw new Error(said.error ?? `the server answers ${answer.status}`);
    return said;
  }
}
