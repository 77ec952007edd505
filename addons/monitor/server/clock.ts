/** Time, and numbers in the order in which they were asked for. */
export interface Clock {
  /** ms since the epoch. */
  now(): number;
  /** ms on a clock that nobody sets and that never jumps. */
  ticks(): number;
  /** Grows with each call, across restarts too: microseconds since the epoch, unless more are wanted. */
  next(): number;
}

export function systemClock(now: () => number = Date.now): Clock {
  let last = 0;
  return { now, ticks: () => performance.now(), next: () => (last = Math.max(last + 1, now() * 1000)) };
}
