import { accessSync, constants, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '#base/backoff';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { StateScript } from '#artifact';
import { runChild } from '../child.ts';
import type { Config } from '../config.ts';
import { flushFolder } from '#base/durable';
import type { Clock } from '../retries.ts';

export type RootState = 'Idle' | 'Sync' | 'Download';
export type ArtifactState =
  | 'ArtifactInstall'
  | 'ArtifactReboot'
  | 'ArtifactCommit'
  | 'ArtifactRollback'
  | 'ArtifactRollbackReboot'
  | 'ArtifactFailure';
export type Phase = 'Enter' | 'Leave' | 'Error';
/** `ArtifactInstall_Enter`: a group of scripts. */
export type Group = `${RootState | ArtifactState}_${Phase}`;

type Timings = Pick<
  Config,
  'StateScriptTimeoutSeconds' | 'StateScriptRetryIntervalSeconds' | 'StateScriptRetryTimeoutSeconds'
>;

export interface StateScriptOptions {
  /** Scripts of the root file system: Idle, Sync, Download. */
  readonly rootFolder: string;
  /** Scripts that came with the artifact. */
  readonly artifactFolder: string;
  readonly timings: Timings;
  readonly clock: Clock;
}

const retryLater = 21;
const scriptName =
  /^(?:Artifact(?:Install|Reboot|Commit|Rollback|RollbackReboot|Failure))_(?:Enter|Leave|Error)_\d\d(?:_\S+)?$/;

/** State scripts (`update-client.md` §3): runs their groups and keeps those of the artifact. */
export class StateScripts {
  readonly #options: StateScriptOptions;
  constructor(options: StateScriptOptions) {
    this.#options = options;
  }

  /** Replaces the artifact's scripts. Names were checked by the reader; they decide a path here, so once more. */
  store(scripts: readonly StateScript[]): void {
    const { artifactFolder } = this.#options;
    rmSync(artifactFolder, { recursive: true, force: true });
    mkdirSync(artifactFolder, { recursive: true, mode: 0o700 });
    for (const { name, content } of scripts) {
      if (!scriptName.test(name) || name.includes('/'))
        throw new CodedError('script', `no state script name: ${name.slice(0, 100)}`);
      writeFileSync(join(artifactFolder, name), content, { mode: 0o700, flush: true });
    }
    writeFileSync(join(artifactFolder, 'version'), '3', { flush: true });
    flushFolder(artifactFolder);
  }

  /** Throws `script` if the root file system's scripts are in a form that this client cannot run (before a commit). */
  checkVersion(): void {
    checkVersion(this.#options.rootFolder);
  }

  /**
   * Runs a group in the order of names; throws `script` at its first error. Error groups and `ignoring` ones run all
   * their scripts; an Error group never throws, an ignoring one throws at its end.
   */
  async run(group: Group, log: Log, signal: AbortSignal, ignoring = false): Promise<void> {
    const folder = group.startsWith('Artifact') ? this.#options.artifactFolder : this.#options.rootFolder;
    const anyway = ignoring || group.endsWith('_Error');
    let first: unknown;
    try {
      const scripts = scriptsOf(folder, group);
      if (scripts.length > 0) checkVersion(folder);
      for (const script of scripts) {
        try {
          await this.#runOne(join(folder, script), script, log, signal);
        } catch (error) {
          signal.throwIfAborted();
          log.error('state script failed', { script, error: messageOf(error) });
          if (!anyway) throw error;
          first ??= error;
        }
      }
    } catch (error) {
      signal.throwIfAborted();
      first ??= error;
    }
    if (first !== undefined && !group.endsWith('_Error')) throw first;
  }

  async #runOne(file: string, name: string, log: Log, signal: AbortSignal): Promise<void> {
    const { timings, clock } = this.#options;
    let deadline: number | undefined;
    for (;;) {
      log.info('state script starts', { script: name });
      const limit = timings.StateScriptTimeoutSeconds * clock.second;
      const left = deadline === undefined ? limit : deadline - Date.now();
      if (left <= 0) throw new CodedError('script', `${name} still asks for a later time after the retry limit`);
      const ended = await runChild({
        file,
        timeout: Math.min(limit, left),
        grace: 10 * clock.second,
        signal,
        onLine: (stream, line) => log.info(`Collected output (${stream}) while running script: ${line}`),
      });
      signal.throwIfAborted();
      if (ended.error) throw new CodedError('script', `cannot run ${name}: ${ended.error.message}`);
      if (ended.timedOut) throw new CodedError('script', `${name} took too long and was killed`);
      if (ended.code === 0) return;
      if (ended.code !== retryLater) throw new CodedError('script', `${name} ended with ${ended.code ?? ended.signal}`);
      deadline ??= Date.now() + timings.StateScriptRetryTimeoutSeconds * clock.second;
      log.info('state script asks for a later time', { script: name });
      const wait = timings.StateScriptRetryIntervalSeconds * clock.second;
      if (Date.now() + wait > deadline)
        throw new CodedError('script', `${name} still asks for a later time after the retry limit`);
      await pause(wait, signal);
    }
  }
}

/** Executable files of a group, by name; a missing folder has none. Anything else in there is passed over. */
function scriptsOf(folder: string, group: Group): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
  const wanted = new RegExp(`^${group}_\\d\\d(?:_\\S+)?$`);
  return names
    .filter((name) => wanted.test(name))
    .sort()
    .filter((name) => {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return statSync(join(folder, name)).isFile();
      } catch {
        return false;
      }
    });
}

function checkVersion(folder: string): void {
  let text: string;
  try {
    text = readFileSync(join(folder, 'version'), 'utf8').trim();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  if (text !== '2' && text !== '3')
    throw new CodedError(
      'script',
      `state scripts in ${folder} have version '${text.slice(0, 20)}': only 2 and 3 can be run`,
    );
}
