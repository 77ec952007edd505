import { CodedError } from '#base/errors';
import { run } from '#base/machine';
import { clientParts, type ClientOptions } from '../daemon.ts';
import { firstStart } from '../first-start.ts';
import { moduleOf } from '../update/stage.ts';
import { standaloneActions, type Parts } from './actions.ts';
import { newInstallation, restore, type Installation } from './installation.ts';
import type { Source } from './source.ts';
import { standalone, storedStates, stops, type State, type Stop } from './table.ts';

/** Exit codes (`update-client.md` §6.1). */
export const exitCodes = { done: 0, failed: 1, nothing: 2, reboot: 4 } as const;

export interface StandaloneOptions {
  readonly client: ClientOptions;
  readonly stopBefore?: readonly string[];
  /** Tell a wanted reboot by the exit code. */
  readonly rebootExitCode?: boolean;
  /** A line of result for the user. */
  readonly say: (line: string) => void;
}

/** Installs an artifact; waits for `commit` or `rollback` if its module can roll back. */
export async function install(source: Source, options: StandaloneOptions, signal: AbortSignal): Promise<number> {
  const parts = clientParts(options.client);
  const { journal, log, places } = parts;
  await firstStart(places, journal, log);
  const { standalone: waiting, deployment } = journal.read();
  if (waiting || deployment)
    throw new CodedError('in_progress', 'Update already in progress. Please commit or roll back first');
  const installation = newInstallation(true, stopsOf(options), options.say);
  return perform(parts, 'download', installation, options, signal, source);
}

/** Carries on, commits or rolls back what is stored, as far as that is allowed there (§6.3). */
export async function continueWith(
  command: 'resume' | 'commit' | 'rollback',
  options: StandaloneOptions,
  signal: AbortSignal,
): Promise<number> {
  const parts = clientParts(options.client);
  await firstStart(parts.places, parts.journal, parts.log);
  const stored = parts.journal.read().standalone;
  if (!stored) {
    options.say('No update in progress.');
    return exitCodes.nothing;
  }
  const commands = Object.hasOwn(storedStates, stored.InState) ? storedStates[stored.InState] : undefined;
  if (!commands) throw new CodedError('in_state', `the stored update is in an unknown state: ${stored.InState}`);
  const state = commands[command];
  if (state === undefined)
    throw new CodedError('in_state', `cannot ${command} now: the update stopped at ${stored.InState}; use resume`);
  const installation = newInstallation(false, stopsOf(options), options.say);
  restore(installation, stored);
  if (command === 'rollback') {
    installation.wished = !installation.failed;
    await requireRollback(parts, installation, signal);
  }
  if (state === 'beforeCommit') await moduleOf(parts, installation.artifact?.PayloadTypes[0]).readyToCommit?.(signal);
  return perform(parts, state, installation, options, signal);
}

async function perform(
  parts: Parts,
  state: State,
  installation: Installation,
  options: StandaloneOptions,
  signal: AbortSignal,
  source?: Source,
): Promise<number> {
  try {
    await run(standalone, standaloneActions(parts, source), state, installation, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (signal.aborted) {
    const under = parts.journal.read().standalone !== undefined;
    const what = under ? "use 'resume' to carry on, or to go back where it was cut" : 'nothing was installed';
    throw new CodedError('interrupted', `interrupted: ${what}`);
  }
  const over = parts.journal.read().standalone === undefined;
  if (state === 'beforeCleanup' && over && !installation.failed) installation.say('Cleaned up.');
  if (installation.rebootWanted && !installation.failed)
    installation.say('At least one payload requested a reboot of the device it updated.');
  if (installation.failed) return exitCodes.failed;
  return installation.rebootWanted && options.rebootExitCode ? exitCodes.reboot : exitCodes.done;
}

/** A rollback that the module cannot do is refused, and what is stored stays. */
async function requireRollback(parts: Parts, installation: Installation, signal: AbortSignal): Promise<void> {
  const module = moduleOf(parts, installation.artifact?.PayloadTypes[0]);
  if ((await module.ask('SupportsRollback', ['Yes', 'No'], signal)) !== 'Yes')
    throw new CodedError('rollback', 'the Update Module does not support rollback; use commit or resume');
}

function stopsOf({ stopBefore = [] }: StandaloneOptions): ReadonlySet<Stop> {
  for (const stop of stopBefore)
    if (!(stops as readonly string[]).includes(stop))
      throw new CodedError('usage', `cannot stop before ${stop}; one of ${stops.join(', ')}`);
  return new Set(stopBefore as readonly Stop[]);
}
