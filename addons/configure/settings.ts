import { CodedError } from '#base/errors';
import type { ServerHost } from '#addon/server';
import type { State } from './answers.ts';
import { type Drift, driftOf, stateOf } from './drift.ts';
import { Keys } from './keys.ts';
import { type Effective, effective, type Layer, type Place, valuesOf } from './layers.ts';
import { type Device, type Revision, Store } from './store.ts';
import type { Tables } from './tables.ts';
import { equal, keyLimit, type Values, valueOf } from './values.ts';

/** What of the server this needs: no sessions. */
export type Host = Omit<ServerHost, 'openSession'>;

export interface Change {
  /** Replaces all that is given in the place; else what is not named stays. */
  readonly all?: Values;
  readonly set?: Values;
  readonly unset?: readonly string[];
  readonly priority?: number;
  readonly by: string;
}

/** What there is to know of one device. */
export interface View {
  readonly own: Layer;
  readonly effective: ReadonlyMap<string, Effective>;
  readonly device: Device;
  readonly state: State;
  readonly drift: Drift | undefined;
}

export type Sending =
  | { readonly device_id: string; readonly deployment_id: string }
  | { readonly device_id: string; readonly error: string };

/** Settings of the fleet, of groups and of devices: what is given where, and what comes of it. */
export class Settings {
  readonly #host: Host;
  readonly store: Store;
  #keys = { revision: 0, keys: new Keys({ properties: {} }) };

  constructor(host: Host) {
    this.#host = host;
    this.store = new Store(host.tables<Tables>());
  }

  /** By the schema as it is now; another server may have changed it. */
  async keys(): Promise<Keys> {
    const { schema, revision } = await this.store.schema();
    if (revision !== this.#keys.revision) this.#keys = { revision, keys: new Keys(schema) };
    return this.#keys.keys;
  }

  /** Changes what is given in a place. Throws `bad_request` for what the schema refuses, or for too many. */
  async change(place: Place, { all, set = {}, unset = [], priority, by }: Change) {
    const keys = await this.keys();
    return await this.store.change(place, by, ({ values: before }) => {
      const given = keys.unmasked(all ?? set, before);
      if (all === undefined) {
        const missing = unset.find((key) => !Object.hasOwn(before, key));
        if (missing !== undefined)
          throw new CodedError('not_found', `${missing.slice(0, 256)} is not set here, so it cannot be unset`);
      }
      const kept = all ? [] : Object.entries(before).filter(([key]) => !unset.includes(key));
      const values = Object.fromEntries([...kept, ...Object.entries(given)]);
      keys.check(changed(before, values));
      checkCount(Object.keys(values).length);
      return { values, ...(priority === undefined ? {} : { priority }) };
    });
  }

  /** Gives again what was given at a revision. Throws `not_found`, or `bad_request` if the schema refuses it by now. */
  async revert(place: Place, revision: number, by: string) {
    const keys = await this.keys();
    const then = await this.store.revision(place, revision);
    if (!then) throw new CodedError('not_found', `there is no revision ${revision}`);
    return await this.store.change(place, by, ({ values: before }) => {
      keys.check(changed(before, then.values));
      return { values: then.values, reverts: revision };
    });
  }

  /** The newest first, each with the one before it, unless that is forgotten. */
  async history(place: Place, limit: number, before?: number): Promise<{ revision: Revision; previous?: Revision }[]> {
    const rows = await this.store.history(place, limit, before);
    return rows.slice(0, limit).map((revision, at) => {
      const previous = rows[at + 1] ?? (revision.revision === 1 ? nothing : undefined);
      return { revision, ...(previous ? { previous } : {}) };
    });
  }

  async effective(deviceId: string): Promise<Map<string, Effective>> {
    const shared = await this.store.shared();
    const own = await this.store.layer({ kind: 'device', name: deviceId });
    return effective([...(await this.#applying(deviceId, shared)), own]);
  }

  async view(deviceId: string): Promise<View> {
    return await this.#view(deviceId, await this.#applying(deviceId, await this.store.shared()));
  }

  /** Sends a device what it is to have. Throws `unprocessable` for more settings than fit. */
  async deploy(deviceId: string): Promise<string> {
    return await this.#send(deviceId, valuesOf(await this.effective(deviceId)));
  }

  /** Sends them all what they do not have yet, and what is not on its way to them. */
  async deployTo(devices: readonly string[]): Promise<{ sent: Sending[]; unchanged: number }> {
    const sent: Sending[] = [];
    let unchanged = 0;
    for await (const [device_id, view] of this.#views(devices)) {
      const values = valuesOf(view.effective);
      const idle = view.state === 'none' || view.state === 'current';
      const coming = view.state === 'pending' && view.device.sent && equal(view.device.sent, values);
      if (idle || coming) {
        unchanged += 1;
        continue;
      }
      try {
        sent.push({ device_id, deployment_id: await this.#send(device_id, values) });
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        sent.push({ device_id, error: error.message });
      }
    }
    return { sent, unchanged };
  }

  /** Those of the devices that do not have what they are to have. */
  async drifting(devices: readonly string[]): Promise<{ device_id: string; state: State; drift: Drift }[]> {
    const found = [];
    for await (const [device_id, { state, drift }] of this.#views(devices))
      if (drift) found.push({ device_id, state, drift });
    return found;
  }

  async #send(deviceId: string, values: Values): Promise<string> {
    const count = Object.keys(values).length;
    if (count > keyLimit)
      throw new CodedError(
        'unprocessable',
        `with those of its groups and of the fleet the device has ${count} settings, at most ${keyLimit} can be sent`,
      );
    const keys = await this.keys();
    const secrets = Object.keys(values).filter((key) => keys.isSecret(key));
    const deployment = await this.#host.deployConfiguration(deviceId, values, secrets);
    await this.store.sent(deviceId, deployment, values);
    return deployment;
  }

  /** Who is in which group is asked once for all of them. */
  async *#views(devices: readonly string[]): AsyncGenerator<[string, View]> {
    const shared = await this.store.shared();
    const members = new Map<string, ReadonlySet<string>>();
    for (const { place } of shared)
      if (place.kind === 'group') members.set(place.name, new Set(await this.#host.acceptedDevices(place.name)));
    for (const id of devices) {
      const applying = shared.filter(({ place }) => place.kind === 'fleet' || members.get(place.name)?.has(id));
      yield [id, await this.#view(id, applying)];
    }
  }

  async #view(deviceId: string, shared: readonly Layer[]): Promise<View> {
    const [own, device] = await Promise.all([
      this.store.layer({ kind: 'device', name: deviceId }),
      this.store.device(deviceId),
    ]);
    const layers = [...shared, own];
    const settings = effective(layers);
    const { deployment_id: id } = device;
    const outcome = id === undefined ? undefined : await this.#host.deploymentOutcome(id, deviceId);
    const state = stateOf(valuesOf(settings), device, outcome);
    return { own, effective: settings, device, state, drift: driftOf(settings, layers, device) };
  }

  async #applying(deviceId: string, shared: readonly Layer[]): Promise<Layer[]> {
    const applying: Layer[] = [];
    for (const layer of shared)
      if (layer.place.kind === 'fleet' || (await this.#host.inGroup(deviceId, layer.place.name))) applying.push(layer);
    return applying;
  }
}

const nothing: Revision = { revision: 0, values: {}, ts: '', by: '' };

/** What was there before a schema came may stay until it is touched. */
const changed = (before: Values, after: Values): Values =>
  Object.fromEntries(Object.entries(after).filter(([key, value]) => valueOf(before, key) !== value));

function checkCount(count: number): void {
  if (count > keyLimit)
    throw new CodedError('bad_request', `too many settings: ${count}, at most ${keyLimit} are possible`);
}
