import { accessSync, constants, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '#base/errors';
import type { Log } from '#base/log';
import { runChild, type Ended } from '../child.ts';

/** States a module is asked to do (`update-client.md` §4.1). */
export type ModuleState =
  | 'Download'
  | 'DownloadWithFileSizes'
  | 'ArtifactInstall'
  | 'ArtifactReboot'
  | 'ArtifactVerifyReboot'
  | 'ArtifactCommit'
  | 'ArtifactRollback'
  | 'ArtifactRollbackReboot'
  | 'ArtifactVerifyRollbackReboot'
  | 'ArtifactFailure'
  | 'Cleanup';
export type ModuleQuery = 'ProvidePayloadFileSizes' | 'NeedsArtifactReboot' | 'SupportsRollback';

export interface ModuleOptions {
  /** SHARE/modules/v3 */
  readonly folder: string;
  readonly type: string;
  readonly tree: string;
  /** ms a call may take. */
  readonly timeout: number;
  /** ms between SIGTERM and SIGKILL. */
  readonly grace: number;
  readonly log: Log;
}

/** One update module at work on one tree: protocol v3 without the download, which is `stream.ts`. */
export class UpdateModule {
  readonly #options: ModuleOptions;
  readonly #file: string;
  constructor(options: ModuleOptions) {
    this.#options = options;
    // The type comes from the artifact and names a program that runs as root.
    if (!/^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,127}$/.test(options.type))
      throw new CodedError('module', `no name of an update module: ${options.type.slice(0, 130)}`);
    this.#file = join(options.folder, options.type);
  }

  get tree(): string {
    return this.#options.tree;
  }

  /** Throws `module` if there is no such module on this device. */
  check(): void {
    try {
      accessSync(this.#file, constants.X_OK);
    } catch (error) {
      const { type, folder } = this.#options;
      throw new CodedError(
        'module',
        `Update Module not found for given artifact type: ${type}; install it as ${join(folder, type)}, executable`,
        { cause: error },
      );
    }
  }

  /** Runs a state. Throws `module` unless it exits with 0. `Cleanup` removes the tree, whatever the module says. */
  async call(state: ModuleState, signal: AbortSignal): Promise<void> {
    const { tree } = this.#options;
    if (state === 'Cleanup' && !existsSync(tree)) return;
    try {
      this.succeeded(state, await this.start(state, signal));
    } finally {
      if (state === 'Cleanup' && !signal.aborted) rmSync(tree, { recursive: true, force: true });
    }
  }

  /** Starts a state; how it ended, whatever that is. */
  start(state: ModuleState, signal: AbortSignal): Promise<Ended> {
    return this.#run(state, signal, false);
  }

  /** Throws `module` unless that was an exit with 0. */
  succeeded(state: ModuleState | ModuleQuery, ended: Ended): void {
    const { type } = this.#options;
    if (ended.error) throw new CodedError('module', `cannot run update module ${type}: ${ended.error.message}`);
    if (ended.timedOut) throw new CodedError('module', `update module ${type} took too long in ${state}: killed`);
    if (ended.code !== 0)
      throw new CodedError('module', `update module ${type} ended with ${ended.code ?? ended.signal} in ${state}`);
  }

  /** Asks the module; its answer must be one word of `words`, or nothing at all (undefined). */
  async ask<const W extends string>(
    query: ModuleQuery,
    words: readonly W[],
    signal: AbortSignal,
  ): Promise<W | undefined> {
    const ended = await this.#run(query, signal, true);
    this.succeeded(query, ended);
    if (ended.output === '') return undefined;
    const answer = ended.output.endsWith('\n') ? ended.output.slice(0, -1) : ended.output;
    const word = words.find((candidate) => candidate === answer);
    if (word !== undefined) return word;
    throw new CodedError(
      'module',
      `update module ${this.#options.type} answers ${query} with '${answer.slice(0, 80)}', not ${words.join(' or ')}`,
    );
  }

  async #run(state: ModuleState | ModuleQuery, signal: AbortSignal, collect: boolean): Promise<Ended> {
    const { tree, timeout, grace, log } = this.#options;
    this.check();
    if (!existsSync(tree)) throw new CodedError('module', `the tree of the update module is gone: ${tree}`);
    log.info('update module called', { state });
    const ended = await runChild({
      file: this.#file,
      args: [state, tree],
      cwd: tree,
      timeout,
      grace,
      collect,
      signal,
      onLine: (stream, line) => log.info(`Update Module output (${stream}): ${line}`),
    });
    signal.throwIfAborted();
    return ended;
  }
}
