import { setTimeout as sleep } from 'node:timers/promises';
import { CodedError } from '#base/errors';
import type { Clock } from '../retries.ts';

export interface PaceOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** `DownloadRateLimit`, bytes a second; 0: as fast as it comes. */
  readonly rate: number;
  /** `DownloadLowSpeedLimit`, bytes a second: slower than that over the window is a connection that must be given up. */
  readonly floor: number;
  /** `DownloadLowSpeedSeconds`. */
  readonly window: number;
}

/**
 * The chunks of a body no faster than the rate; throws `too_slow` when they come slower than the floor. Only the time
 * spent waiting for the network counts against it: a module that reads slowly is no slow network.
 */
export async function* paced(body: AsyncIterable<Uint8Array>, options: PaceOptions): AsyncGenerator<Uint8Array> {
  const { clock, signal, rate, floor, window } = options;
  const start = performance.now();
  let [total, waited, bytes] = [0, 0, 0];
  let asked = start;
  for await (const chunk of body) {
    waited += performance.now() - asked;
    bytes += chunk.length;
    total += chunk.length;
    if (waited >= window * clock.second) {
      if (bytes < floor * window)
        throw new CodedError('too_slow', `${bytes} bytes in ${window} s of waiting: less than DownloadLowSpeedLimit`);
      [waited, bytes] = [0, 0];
    }
    yield chunk;
    if (rate > 0) {
      const early = (total / rate) * clock.second - (performance.now() - start);
      if (early > 1) await sleep(early, undefined, { signal });
    }
    asked = performance.now();
  }
}
