import { messageOf } from '#base/errors';
import { bootId } from '../boot.ts';
import type { Deployment } from './deployment.ts';
import { bestEffort } from './report-actions.ts';
import { keep, type Bench } from './stage.ts';
import { holdNames } from './table.ts';

/**
 * Before install and before reboot an update waits while somebody on the device asks for it, within the limit. Stored
 * only when it really waits, so that a restart goes on waiting and the download is not lost.
 */
export function holdActions(bench: Bench) {
  return {
    holdInstall: async (deployment: Deployment, signal: AbortSignal) => hold(bench, 'install', deployment, signal),
    holdReboot: async (deployment: Deployment, signal: AbortSignal) => {
      const { boot, reboot } = deployment;
      // The machine was restarted while the update waited: that was the reboot it waited for.
      if (boot !== undefined && boot !== bootId() && reboot === 'automatic') {
        release(bench, deployment);
        return 'restarted' as const;
      }
      return hold(bench, 'reboot', deployment, signal);
    },
  };
}

async function hold(
  bench: Bench,
  before: 'install' | 'reboot',
  deployment: Deployment,
  signal: AbortSignal,
): Promise<'go' | 'aborted'> {
  const { holds, status, log, config } = bench;
  if (!holds.asked) {
    release(bench, deployment);
    return 'go';
  }
  status.waiting(before);
  deployment.heldSince ??= Date.now() / 1000;
  deployment.boot = bootId();
  try {
    keep(bench, deployment, holdNames[before]);
  } catch (error) {
    log.warn('the wait could not be stored: a restart would end this deployment', { error: messageOf(error) });
  }
  log.info(`update waits before ${before}`, { until: new Date(holds.until * 1000).toISOString() });
  const report = bestEffort(bench, before === 'install' ? 'pause_before_installing' : 'pause_before_rebooting');
  const spent = deployment.held + Math.max(0, Date.now() / 1000 - deployment.heldSince);
  for (;;) {
    // Said again now and then, because an abort by the server is heard by it.
    const aborted = (await report(deployment, signal)) === 'aborted';
    const waited =
      aborted || signal.aborted ? 'over' : await holds.wait(spent, config.UpdatePollIntervalSeconds, signal);
    if (waited === 'look') continue;
    if (!signal.aborted) release(bench, deployment);
    if (!aborted) log.info('update goes on', { before });
    return aborted ? 'aborted' : 'go';
  }
}

function release({ holds }: Bench, deployment: Deployment): void {
  if (deployment.heldSince !== undefined) deployment.held += Math.max(0, Date.now() / 1000 - deployment.heldSince);
  delete deployment.heldSince;
  delete deployment.boot;
  holds.released();
}
