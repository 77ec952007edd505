import { messageOf } from '#base/errors';
import type { Deployment } from './deployment.ts';
import { reboot, rebootWanted } from './reboot.ts';
import { attempt, failing, moduleFor, step, store, stored, type Bench } from './stage.ts';
import { storedNames } from './table.ts';

/** The way back. Nothing stops it: what fails on it is told to the outcome, and the next step is tried. */
export function rollbackActions(bench: Bench) {
  const { scripts, log } = bench;
  return {
    checkRollback: failing(bench, undefined, async (deployment, signal) => {
      const answer = await moduleFor(bench, deployment).ask('SupportsRollback', ['Yes', 'No'], signal);
      deployment.supportsRollback = answer === 'Yes';
      if (!deployment.supportsRollback) {
        log.error('the update module does not support rollback');
        return 'unsupported' as const;
      }
      deployment.outcome.rollbackStarted();
      return 'supported' as const;
    }),
    rollback: stored(bench, async (deployment, signal) => {
      const trying = (act: () => Promise<void> | void) => attempt(bench, deployment, signal, act);
      await trying(() => store(bench, deployment, storedNames.rollback));
      await trying(() => scripts.run('ArtifactRollback_Enter', log, signal));
      const done = await trying(() => moduleFor(bench, deployment).call('ArtifactRollback', signal));
      await trying(() => scripts.run('ArtifactRollback_Leave', log, signal, !done));
      return done ? ('done' as const) : ('failed' as const);
    }),
    checkRollbackReboot: failing(bench, undefined, async (deployment, signal) => {
      deployment.reboot = await rebootWanted(moduleFor(bench, deployment), signal);
      return deployment.reboot === 'none' ? ('unwanted' as const) : ('wanted' as const);
    }),
    rollbackReboot: stored(bench, async (deployment, signal) => {
      const trying = (act: () => Promise<void> | void) => attempt(bench, deployment, signal, act);
      await trying(() => store(bench, deployment, storedNames.rollbackReboot));
      await trying(() => scripts.run('ArtifactRollbackReboot_Enter', log, signal));
      try {
        await reboot(deployment, moduleFor(bench, deployment), 'ArtifactRollbackReboot', bench.clock, signal);
      } catch (error) {
        signal.throwIfAborted();
        // Only what the verification finds counts: the machine may well have been restarted.
        log.error('reboot of the rollback failed', { error: messageOf(error) });
      }
      return 'done' as const;
    }),
    verifyRollbackReboot: step(
      bench,
      'verifyRollbackReboot',
      'ArtifactRollbackReboot_Error',
      async (deployment, signal) => {
        try {
          await moduleFor(bench, deployment).call('ArtifactVerifyRollbackReboot', signal);
        } catch (error) {
          signal.throwIfAborted();
          log.error('the old system does not run yet, rebooting again', { error: messageOf(error) });
          return 'again' as const;
        }
        await scripts.run('ArtifactRollbackReboot_Leave', log, signal);
        return 'done' as const;
      },
    ),
    rolledBack: async (deployment: Deployment) => {
      deployment.rolledBack = !deployment.outcome.inconsistent;
      return 'done' as const;
    },
    failure: stored(bench, async (deployment, signal) => {
      const trying = (act: () => Promise<void> | void) => attempt(bench, deployment, signal, act);
      await trying(() => store(bench, deployment, storedNames.failure));
      await trying(() => scripts.run('ArtifactFailure_Enter', log, signal));
      await trying(() => moduleFor(bench, deployment).call('ArtifactFailure', signal));
      await trying(() => scripts.run('ArtifactFailure_Leave', log, signal));
      return 'done' as const;
    }),
  };
}
