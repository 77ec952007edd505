import { setTimeout as sleep } from 'node:timers/promises';
import { devauth, deviceconnect } from '#proto/http/paths';
import type { ConnectState, Device } from '#proto/http/devices';
import { objectOf } from '../answer.ts';
import { acceptDevice } from '../authorization.ts';
import { failed } from '../failure.ts';
import { fleet } from '../fleet.ts';
import { Refusal, type Http } from '../http.ts';
import { pages } from '../paging.ts';
import type { VirtualDevice } from './virtual-device.ts';

/** How long each step of a device may take, ms. */
const patience = 40_000;

/** The way of a new device to where it can be worked with, as an operator sees it. */
export class Enrolment {
  readonly #http: Http;
  readonly #signal: AbortSignal;
  readonly #ids = new Map<VirtualDevice, string>();
  constructor(http: Http, signal: AbortSignal) {
    this.#http = http;
    this.#signal = signal;
  }

  idOf(device: VirtualDevice): string {
    const id = this.#ids.get(device);
    if (!id) throw failed(`${device.name} has not appeared`);
    return id;
  }

  async appears(device: VirtualDevice): Promise<void> {
    await this.#until(`${device.name} does not appear`, async () => {
      const shape = { id: 'string', identity_data: 'object' } as const;
      for await (const one of pages<Device>(this.#http, `${devauth}/devices`, shape, { what: 'devices' })) {
        if (one.identity_data['mac'] === device.mac) this.#ids.set(device, one.id);
      }
      return this.#ids.has(device);
    });
  }

  accept(device: VirtualDevice): Promise<void> {
    return acceptDevice(this.#http, this.idOf(device));
  }

  async connects(device: VirtualDevice): Promise<void> {
    const path = `${deviceconnect}/devices/${this.idOf(device)}`;
    await this.#until(`${device.name} does not connect`, async () => {
      try {
        const state = objectOf<ConnectState>(
          await this.#http.json('GET', path),
          { status: 'string' },
          'the connection',
        );
        return state.status === 'connected';
      } catch (error) {
        if (error instanceof Refusal && error.status === 404) return false;
        throw error;
      }
    });
  }

  /** Its inventory has arrived: from now on it can be called by name. */
  async tellsItsName(device: VirtualDevice): Promise<void> {
    await this.#until(`${device.name} sends no inventory`, async () => {
      for await (const { name } of fleet(this.#http, { device_ids: [this.idOf(device)] })) return name === device.name;
      return false;
    });
  }

  async #until(otherwise: string, holds: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + patience;
    while (!(await holds())) {
      if (performance.now() > end) throw failed(`${otherwise} within ${patience / 1000} s`);
      await sleep(100, undefined, { signal: this.#signal });
    }
  }
}
