import { CodedError } from '#base/errors';
import type { CliHost } from '#addon/cli';
import { base, type Change, type Differing, type Given, type Revision, type Sent, type Whole } from './answers.ts';

const reference = '/api/management/v1/deviceconfig/configurations/device';

export interface Where {
  readonly group?: string;
  readonly fleet?: true;
}
type Host = Pick<CliHost, 'fetch' | 'resolveDevice' | 'findDevices'>;

/** A device that differs, by the name that people know it by. */
export type Drifting = Pick<Whole, 'state' | 'drift'> & { readonly device: string };

/** What a command is about: a device, a group, or all devices. */
export class Target {
  readonly #host: Host;
  readonly #path: string;
  readonly #device: { readonly id: string; readonly name: string } | undefined;
  readonly #group: string | undefined;
  private constructor(
    host: Host,
    path: string,
    { device, group }: { device?: { id: string; name: string }; group?: string },
  ) {
    this.#host = host;
    this.#path = path;
    this.#device = device;
    this.#group = group;
  }

  /** By the options, else by the first word; the words that are left. Throws `usage` for none or for two. */
  static async find(host: Host, { group, fleet }: Where, words: readonly string[]) {
    if (group !== undefined && fleet) throw new CodedError('usage', '--group or --fleet: one of them');
    if (group !== undefined)
      return { target: new Target(host, `${base}/groups/${encodeURIComponent(group)}`, { group }), rest: words };
    if (fleet) return { target: new Target(host, `${base}/fleet`, {}), rest: words };
    const [wanted, ...rest] = words;
    if (wanted === undefined) throw new CodedError('usage', 'name a device, or give --group or --fleet');
    const device = await host.resolveDevice(wanted);
    return { target: new Target(host, `${base}/devices/${device.id}`, { device }), rest };
  }

  /** Its arguments, as a person would type them. */
  get words(): string {
    return this.#device?.name ?? (this.#group === undefined ? '--fleet' : `--group ${this.#group}`);
  }

  get(): Promise<Whole | Given> {
    return this.#ask('GET', '');
  }

  patch(change: Change): Promise<Given> {
    return this.#ask('PATCH', '', change);
  }

  history(limit: number): Promise<Revision[]> {
    return this.#ask('GET', `/history?limit=${limit}`);
  }

  /** Undefined: takes the last change back. */
  async revert(revision?: number): Promise<Given> {
    if (revision !== undefined) return await this.#ask('POST', '/revert', { revision });
    const [, before] = await this.history(2);
    if (!before) throw new CodedError('failed', `${this.words}: there is nothing before the last change`);
    return await this.#ask('POST', '/revert', { revision: before.revision });
  }

  async deploy(): Promise<Sent> {
    const device = this.#device;
    if (!device) return await this.#ask('POST', '/deploy');
    const { deployment_id } = await ask<{ deployment_id: string }>(
      this.#host,
      'POST',
      `${reference}/${device.id}/deploy`,
      {},
    );
    return { sent: [{ device_id: device.id, deployment_id }], unchanged: 0 };
  }

  /** Devices that do not have what they are to have. */
  async drift(): Promise<Drifting[]> {
    if (this.#device) {
      const { state, drift } = (await this.get()) as Whole;
      return drift ? [{ device: this.#device.name, state, drift }] : [];
    }
    const wanted = this.#group === undefined ? { names: [] } : { names: [], group: this.#group };
    const names = new Map((await this.#host.findDevices(wanted)).map(({ id, name }) => [id, name]));
    const found: Drifting[] = [];
    const group = this.#group === undefined ? '' : `&group=${encodeURIComponent(this.#group)}`;
    for (let page = 1, total = 1; (page - 1) * 500 < total; page += 1) {
      const answer = await this.#host.fetch(`${base}/drift?per_page=500&page=${page}${group}`);
      total = Number(answer.headers.get('x-total-count') ?? 0);
      const rows = await bodyOf<Differing[]>(answer);
      for (const { device_id: id, ...row } of rows) found.push({ device: names.get(id) ?? id, ...row });
    }
    return found;
  }

  /** What settings there may be; `schema` replaces it. */
  static async schema(host: Host, schema?: unknown): Promise<unknown> {
    return schema === undefined
      ? await ask<object>(host, 'GET', `${base}/schema`)
      : await ask<undefined>(host, 'PUT', `${base}/schema`, schema);
  }

  #ask<T>(method: string, path: string, body?: unknown): Promise<T> {
    return ask<T>(this.#host, method, this.#path + path, body);
  }
}

async function ask<T>(host: Host, method: string, path: string, body?: unknown): Promise<T> {
  const json =
    body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  return await bodyOf<T>(await host.fetch(path, { method, ...json }));
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
  throw new CodedError('failed', said);
}
