import { pause } from '#base/backoff';
import { CodedError } from '#base/errors';
import { runChild } from '../child.ts';
import type { Clock } from '../retries.ts';
import type { Deployment, Reboot } from './deployment.ts';
import type { PayloadHandler } from './handler.ts';

const rebootSeconds = 600;

/** What the module wants: a reboot that it does itself (`Yes`), the system's own, or none. */
export async function rebootWanted(module: PayloadHandler, signal: AbortSignal): Promise<Reboot> {
  const answer = await module.ask('NeedsArtifactReboot', ['Yes', 'No', 'Automatic'], signal);
  return answer === 'Yes' ? 'custom' : answer === 'Automatic' ? 'automatic' : 'none';
}

/**
 * Reboots. Returns only if the module has done something that was no restart; the rest is for the next start, or throws.
 * The signal is how a shutdown looks from here: whoever does the reboot must not be killed by it.
 */
export async function reboot(
  deployment: Deployment,
  module: PayloadHandler,
  state: 'ArtifactReboot' | 'ArtifactRollbackReboot',
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const leave = new Promise<never>((_, reject) => {
    const stop = () => reject(signal.reason as Error);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  if (deployment.reboot === 'custom') return Promise.race([module.call(state, new AbortController().signal), leave]);
  const ended = await Promise.race([runChild({ file: 'reboot', timeout: rebootSeconds * clock.second }), leave]);
  if (ended.error) throw new CodedError('reboot', `cannot run reboot: ${ended.error.message}`);
  if (ended.code !== 0) throw new CodedError('reboot', `reboot ended with ${ended.code ?? ended.signal}`);
  await pause(rebootSeconds * clock.second, signal);
  signal.throwIfAborted();
  throw new CodedError('reboot', `the system is still running ${rebootSeconds} s after reboot was called`);
}
