import { messageOf } from '#base/errors';
import type { Deployment } from './deployment.ts';
import { inconsistent, withArtifact } from './provides.ts';
import { attempt, failing, moduleFor, store, stored, type Bench } from './stage.ts';
import { storedNames } from './table.ts';

/** The end of a deployment, good or bad. */
export function closingActions(bench: Bench) {
  const { log, journal } = bench;
  return {
    saveProvides: stored(
      bench,
      failing(bench, undefined, async (deployment) => {
        const { artifact, outcome } = deployment;
        // What the device is called and where the update stands are one write: there is never a mixture.
        store(bench, deployment, storedNames.saveProvides, (record) => {
          if (!outcome.failed && artifact) return withArtifact(record, artifact);
          return outcome.inconsistent ? inconsistent(record, artifact) : record;
        });
        return 'done' as const;
      }),
    ),
    cleanup: stored(bench, async (deployment, signal) => {
      // Even if it cannot be stored: a full disk is what this step may cure.
      const kept = await attempt(bench, deployment, signal, () => store(bench, deployment, storedNames.cleanup));
      const [type] = deployment.artifact?.PayloadTypes ?? [];
      if (type === undefined) return kept ? ('done' as const) : ('failed' as const);
      try {
        await moduleFor(bench, deployment).call('Cleanup', signal);
        return kept ? ('done' as const) : ('failed' as const);
      } catch (error) {
        signal.throwIfAborted();
        if (deployment.outcome.failed) {
          log.error('cleanup failed', { error: messageOf(error) });
          deployment.outcome.failure();
          return 'failed' as const;
        }
        // The new system is committed: the report must not deny it for what is left lying about.
        log.warn('cleanup failed after the commit: the update stands', { error: messageOf(error) });
        return 'done' as const;
      }
    }),
    giveUp: async (deployment: Deployment) => {
      deployment.outcome.lost();
      try {
        const { artifact } = deployment;
        journal.write((record) => inconsistent(artifact ? withArtifact(record, artifact) : record, artifact));
      } catch (error) {
        log.error('the end of the update could not be stored', { error: messageOf(error) });
      }
      return 'done' as const;
    },
    clear: async ({ id, artifact, outcome, reason = '' }: Deployment) => {
      const result = outcome.failed ? ('failure' as const) : ('success' as const);
      const lastResult = {
        deployment: id,
        artifact: artifact?.artifact_name ?? '',
        result,
        at: Math.max(0, Math.floor(Date.now() / 1000)),
        reason: outcome.failed ? reason : '',
      };
      try {
        journal.write(({ deployment: _, ...record }) => ({ ...record, lastResult }));
      } catch (error) {
        log.error('the end of the update could not be stored', { error: messageOf(error) });
      }
      return 'done' as const;
    },
  };
}
