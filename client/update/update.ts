import { codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { run, type Actions } from '#base/machine';
import type { Found } from '../deployments.ts';
import { closingActions } from './closing-actions.ts';
import { newDeployment, resumed, type Deployment } from './deployment.ts';
import { holdActions } from './hold-actions.ts';
import { installActions } from './install-actions.ts';
import { DeploymentLog } from './log.ts';
import { reportActions } from './report-actions.ts';
import { rollbackActions } from './rollback-actions.ts';
import { store, type Bench } from './stage.ts';
import { holdNames, update, type State } from './table.ts';

export type Workshop = Omit<Bench, 'log'> & { readonly log: Log };

/** Every state of the machine and what it does; each is shown as it begins. */
function actions(bench: Bench): Actions<typeof update, Deployment> {
  const all: Actions<typeof update, Deployment> = {
    ...reportActions(bench),
    ...installActions(bench),
    ...holdActions(bench),
    ...rollbackActions(bench),
    ...closingActions(bench),
  };
  const shown = Object.entries(all).map(([state, act]) => [
    state,
    (deployment: Deployment, signal: AbortSignal) => {
      bench.status.entered(state as State, deployment);
      return act(deployment, signal);
    },
  ]);
  return Object.fromEntries(shown) as typeof all;
}

/** Carries a new deployment to its end, or until the signal aborts; then the journal knows where it stopped. */
export async function runDeployment(workshop: Workshop, found: Found, signal: AbortSignal): Promise<void> {
  using bench = benchFor(workshop, found.id);
  bench.log.info('deployment started', { id: found.id });
  await perform(bench, 'reportDownloading', newDeployment(found), signal);
}

/** Carries on a deployment that a restart or a power cut has interrupted. False: there is none. */
export async function resumeDeployment(workshop: Workshop, signal: AbortSignal): Promise<boolean> {
  const stored = workshop.journal.read().deployment;
  if (!stored) return false;
  const { deployment, at } = resumed(stored);
  using bench = benchFor(workshop, deployment.id);
  bench.log.info('deployment continued', { id: deployment.id, stored: stored.Name, state: at.state });
  let state: State = at.state;
  try {
    // Stored again so that a cut in a state that stores nothing of its own is counted too. Waiting is no such state.
    if (!Object.values<string>(holdNames).includes(stored.Name)) store(bench, deployment, stored.Name);
  } catch (error) {
    const looped = codeOf(error) === 'update_loop';
    bench.log.error(looped ? 'update gives up' : 'update could not be stored', { error: messageOf(error) });
    if (looped) state = 'giveUp';
  }
  await perform(bench, state, deployment, signal);
  return true;
}

async function perform(bench: Bench, state: State, deployment: Deployment, signal: AbortSignal): Promise<void> {
  try {
    await run(update, actions(bench), state, deployment, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  if (!signal.aborted) bench.status.idle();
  bench.log.debug('deployment closed', { id: deployment.id });
}

function benchFor(workshop: Workshop, id: string): Bench & Disposable {
  const folder = workshop.config.UpdateLogPath ?? workshop.places.store;
  const log = DeploymentLog.open(folder, id, workshop.log);
  return { ...workshop, log, [Symbol.dispose]: () => log.close() };
}
