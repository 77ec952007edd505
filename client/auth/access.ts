import { EventEmitter } from 'node:events';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { devicePaths, signatureHeader, type AuthRequest } from '#proto/http/device';
import type { Config } from '../config.ts';
import { textOf, type Transport } from '../transport.ts';
import { identityData } from './identity.ts';
import type { DeviceKey } from './key.ts';

/** What a server granted: its token, and which server that is. */
export interface Grant {
  readonly token: string;
  /** Origin without a slash at its end. */
  readonly server: string;
}

export interface AccessOptions {
  readonly config: Config;
  readonly identityScript: string;
  /** Read anew for each request: somebody may have replaced the key. */
  readonly key: () => Promise<DeviceKey>;
  readonly transport: Transport;
  readonly log: Log;
}

/** What may stand in a header. */
const tokenText = /^[\x21-\x7e]+$/;

/**
 * Our access to a server. The token lives in memory only. Emits `fetched` with the grant (or undefined) after each
 * attempt, successful or not.
 */
export class Access extends EventEmitter<{ fetched: [Grant | undefined] }> {
  readonly #options: AccessOptions;
  #grant: Grant | undefined;
  #fetching: Promise<Grant | undefined> | undefined;
  constructor(options: AccessOptions) {
    super();
    this.#options = options;
  }

  get grant(): Grant | undefined {
    return this.#grant;
  }

  /** Forgets the token, so that the next call asks for a new one; only while it is still that one. */
  drop(token?: string): void {
    if (token === undefined || this.#grant?.token === token) this.#grant = undefined;
  }

  /** Asks the servers in their order; undefined when none accepts us. One attempt at a time: callers share it. */
  fetch(signal: AbortSignal): Promise<Grant | undefined> {
    return (this.#fetching ??= this.#fetch(signal).finally(() => {
      this.#fetching = undefined;
    }));
  }

  async #fetch(signal: AbortSignal): Promise<Grant | undefined> {
    const { log } = this.#options;
    this.#grant = undefined;
    let grant: Grant | undefined;
    try {
      grant = await this.#ask(signal);
    } catch (error) {
      if (!signal.aborted) log.error('authentication impossible', { error: messageOf(error) });
    }
    this.#grant = grant;
    if (!signal.aborted) this.emit('fetched', grant);
    return grant;
  }

  async #ask(signal: AbortSignal): Promise<Grant | undefined> {
    const { config, identityScript, key, transport, log } = this.#options;
    if (config.servers.length === 0) throw new CodedError('no_server', 'no server: set ServerURL in mender.conf');
    const device = await key();
    const request: AuthRequest = {
      id_data: await identityData(identityScript, signal),
      pubkey: device.publicKey,
      ...(config.TenantToken === undefined ? {} : { tenant_token: config.TenantToken }),
      tier: config.DeviceTier,
    };
    const body = Buffer.from(JSON.stringify(request));
    const signature = await device.sign(body);
    for (const server of config.servers) {
      try {
        const reply = await transport.request(`${server}${devicePaths.authRequest}`, {
          method: 'POST',
          headers: {
            'Content-Type': 'application/json',
            Authorization: 'API_KEY',
            [signatureHeader]: signature,
          },
          body,
          signal,
        });
        const text = (await textOf(reply, 65_536)).trim();
        // A captive portal answers 200 too, with a page: kept as a token it would never be refused, and so never renewed.
        if (reply.status === 200 && tokenText.test(text)) {
          log.info('authenticated', { server });
          return { token: text, server };
        }
        log.warn('server does not accept this device', { server, status: reply.status, answer: text.slice(0, 200) });
      } catch (error) {
        if (signal.aborted) return undefined;
        log.warn('server not reached', { server, error: messageOf(error) });
      }
    }
    return undefined;
  }
}
