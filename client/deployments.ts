import { codeOf, messageOf, CodedError } from '#base/errors';
import { devicePaths, NextDeployment, type LogMessage, type Reportable } from '#proto/http/device';
import { parser } from '#proto/validate';
import type { Api } from './api.ts';

const nextDeployment = parser(NextDeployment, 'invalid_deployment');

/** What the server wants of us, as far as we take it from the server: the rest is in the artifact, which is signed. */
export interface Found {
  readonly id: string;
  readonly uri: string;
  readonly expire?: string;
}

/** A deployment's traffic with the server (`update-client.md` §2.6). */
export class Deployments {
  readonly #api: Api;
  constructor(api: Api) {
    this.#api = api;
  }

  /** The next deployment, or undefined. `provides` has device_type, artifact_name and all other provides. */
  async next(provides: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Found | undefined> {
    const answer = await this.#poll(provides, signal);
    if (answer.status === 204) return undefined;
    let value: unknown;
    try {
      value = JSON.parse(answer.text);
    } catch (error) {
      throw new CodedError('invalid_deployment', `the deployment is no JSON: ${messageOf(error)}`, { cause: error });
    }
    const { id, artifact } = nextDeployment(value);
    const { uri, expire } = artifact.source;
    if (!/^https?:\/\//.test(uri)) throw new CodedError('invalid_deployment', 'the artifact has no http address');
    return { id, uri, ...(expire === undefined ? {} : { expire }) };
  }

  async #poll(provides: Readonly<Record<string, string>>, signal: AbortSignal) {
    try {
      return await this.#api.call('POST', devicePaths.nextV2, [200, 204], signal, { device_provides: provides });
    } catch (error) {
      if (codeOf(error) !== 'http_404') throw error;
      const query = new URLSearchParams({
        artifact_name: provides['artifact_name'] ?? '',
        device_type: provides['device_type'] ?? '',
      });
      return this.#api.call('GET', `${devicePaths.nextV1}?${query.toString()}`, [200, 204], signal);
    }
  }

  /** Tells the state of a deployment. Throws `http_409` when the server has aborted it. */
  async report(id: string, status: Reportable, signal: AbortSignal): Promise<void> {
    await this.#api.call('PUT', devicePaths.status(id), [204], signal, { status });
  }

  async sendLog(id: string, messages: readonly LogMessage[], signal: AbortSignal): Promise<void> {
    await this.#api.call('PUT', devicePaths.log(id), [204], signal, { messages });
  }
}
