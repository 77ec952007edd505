/** Time, and numbers in the order in which they were asked for. */
export interface Clock {
  /** ms since the epoch. */
  now(): number;
  /** Grows with each call, across restarts too: microseconds since the epoch, unless more are wanted. */
  next(): number;
}

export function systemClock(now: () => number = Date.now): Clock {
  let last = 0;
  return { now, next: () => (last = Math.max(last + 1, now() * 1000)) };
}
