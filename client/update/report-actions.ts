import { pause } from '#base/backoff';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { Reportable } from '#proto/http/device';
import { Retries } from '../retries.ts';
import { blame, type Deployment } from './deployment.ts';
import { failing, type Bench } from './stage.ts';

/** The reports of a deployment (`update-client.md` §2.6). 409 says that the server has aborted it. */
export function reportActions(bench: Bench) {
  return {
    reportDownloading: bestEffort(bench, 'downloading'),
    reportInstalling: bestEffort(bench, 'installing'),
    reportRebooting: bestEffort(bench, 'rebooting'),
    /** Before the commit: the server must be heard, with a new token, while there is a way back. */
    prepareCommit: failing(bench, undefined, async (deployment: Deployment, signal: AbortSignal) => {
      bench.access.drop();
      await persistently(bench, signal, () => bench.deployments.report(deployment.id, 'installing', signal));
      return 'done' as const;
    }),
    report: async (deployment: Deployment, signal: AbortSignal) => {
      const { failed } = deployment.outcome;
      const status = failed ? 'failure' : 'success';
      bench.log[failed ? 'error' : 'info'](`deployment ended: ${status}`, { id: deployment.id });
      try {
        await persistently(bench, signal, async () => {
          await bench.deployments.report(deployment.id, status, signal);
          if (failed) await sendLog(bench, deployment, signal);
        });
      } catch (error) {
        signal.throwIfAborted();
        bench.log.error('the server does not know how this deployment ended', { status, error: messageOf(error) });
      }
      return 'done' as const;
    },
  };
}

/** One try, whose failure costs nothing; but an abort ends the deployment here. */
export function bestEffort(bench: Bench, status: Reportable) {
  return async (deployment: Deployment, signal: AbortSignal): Promise<'done' | 'aborted'> => {
    bench.log.info(`deployment status: ${status}`, { id: deployment.id });
    try {
      await bench.deployments.report(deployment.id, status, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (codeOf(error) === 'http_409') {
        bench.log.error('the server has aborted this deployment', { error: messageOf(error) });
        blame(deployment, new CodedError('aborted', 'aborted by the server'));
        deployment.outcome.failure();
        return 'aborted';
      }
      bench.log.warn('status not reported', { status, error: messageOf(error) });
    }
    return 'done';
  };
}

/** Until it succeeds, as often as the back-off allows; an abort by the server is final. */
async function persistently(bench: Bench, signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  const retries = new Retries(bench.config, bench.clock);
  for (;;) {
    try {
      return await act();
    } catch (error) {
      signal.throwIfAborted();
      const wait = codeOf(error) === 'http_409' ? undefined : retries.next(error);
      if (wait === undefined) throw error;
      bench.log.warn('report repeated later', { ms: wait, error: messageOf(error) });
      await pause(wait, signal);
      signal.throwIfAborted();
    }
  }
}

async function sendLog(bench: Bench, deployment: Deployment, signal: AbortSignal): Promise<void> {
  try {
    await bench.deployments.sendLog(deployment.id, bench.log.messages(), signal);
  } catch (error) {
    if (codeOf(error) !== 'http_413') throw error;
    bench.log.warn('the log is too large for this server', { error: messageOf(error) });
  }
}
