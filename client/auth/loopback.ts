import { EventEmitter } from 'node:events';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Transport } from '../transport.ts';
import type { Access, Grant } from './access.ts';
import { Forwarder } from './forwarder.ts';

export interface Lent {
  readonly token: string;
  /** The forwarder's address; empty with an empty token. */
  readonly url: string;
}

const nothing: Lent = { token: '', url: '' };

/** Keeps one forwarder for the current grant. Emits `changed` after each fetch, once the new address can be used. */
export class Loopback extends EventEmitter<{ changed: [Lent] }> {
  readonly #transport: Transport;
  readonly #log: Log;
  #lent = nothing;
  #forwarder: Forwarder | undefined;
  constructor(transport: Transport, log: Log) {
    super();
    this.#transport = transport;
    this.#log = log;
  }

  get lent(): Lent {
    return this.#lent;
  }

  /** Follows the grants of `access` until the signal aborts; returns when the forwarder is closed. */
  async run(access: Access, signal: AbortSignal): Promise<void> {
    let work = Promise.resolve();
    const follow = (grant: Grant | undefined) => {
      work = work.then(() => this.#follow(grant));
    };
    access.on('fetched', follow);
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    access.off('fetched', follow);
    await work;
    await this.#forwarder?.[Symbol.asyncDispose]();
  }

  async #follow(grant: Grant | undefined): Promise<void> {
    if (grant && grant.token === this.#lent.token && this.#forwarder) {
      this.emit('changed', this.#lent); // the very same grant: sessions that run on it go on
      return;
    }
    await this.#forwarder?.[Symbol.asyncDispose]();
    this.#forwarder = undefined;
    this.#lent = nothing;
    if (grant) {
      try {
        this.#forwarder = await Forwarder.open(grant, this.#transport, this.#log);
        this.#lent = { token: grant.token, url: this.#forwarder.url };
      } catch (error) {
        this.#log.error('forwarder could not be opened', { error: messageOf(error) });
      }
    }
    this.emit('changed', this.#lent);
  }
}
