import { createHash } from 'node:crypto';
import type { Log } from '#base/log';
import { devicePaths } from '#proto/http/device';
import type { Api } from '../api.ts';
import { collectAttributes } from './attributes.ts';

export interface InventoryOptions {
  readonly folder: string;
  readonly api: Api;
  readonly log: Log;
  /** Attributes that no script need supply. */
  readonly builtIn: () => Readonly<Record<string, string>>;
}

/** Sends what the device says of itself, when it has changed. */
export class Inventory {
  readonly #options: InventoryOptions;
  #sent: string | undefined;
  constructor(options: InventoryOptions) {
    this.#options = options;
  }

  /** Some inventory was accepted since the last `forget`. */
  get accepted(): boolean {
    return this.#sent !== undefined;
  }

  /** With a new token the server may be another one: send even what has not changed. */
  forget(): void {
    this.#sent = undefined;
  }

  async send(signal: AbortSignal): Promise<void> {
    const { folder, api, log, builtIn } = this.#options;
    const attributes = await collectAttributes(folder, builtIn(), log, signal);
    const hash = createHash('sha256').update(JSON.stringify(attributes)).digest('hex');
    if (hash === this.#sent) return;
    await api.call('PUT', devicePaths.attributes, [200], signal, attributes);
    // A token fetched on the way has cleared the memory before this call succeeded, so this stays true.
    this.#sent = hash;
    log.info('inventory sent', { attributes: attributes.length });
  }
}
