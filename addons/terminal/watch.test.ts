import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Watch, type WatchTimes } from './watch.ts';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

function start(times: Partial<WatchTimes> = {}) {
  const said: string[] = [];
  const watch = new Watch(times, { ask: (timeout) => said.push(`ask ${timeout}`), dead: (why) => said.push(why) });
  watch.start();
  return { said, watch };
}

it('D-40 asks every minute, and gives up who is silent for 65 s', () => {
  const { said, watch } = start();
  vi.advanceTimersByTime(60_000);
  expect(said).toEqual(['ask 65']);
  watch.heard();
  vi.advanceTimersByTime(60_000);
  watch.heard();
  vi.advanceTimersByTime(64_999);
  expect(said).toEqual(['ask 65', 'ask 65', 'ask 65']);
  vi.advanceTimersByTime(1);
  expect(said.at(-1)).toBe('health check failed, no answer from the peer');
});

it('D-44 TERM-9 an idle shell expires; only keys count as use', () => {
  const { said, watch } = start({ expireAfterIdle: 30, askEvery: 1000, deadAfter: 1000 });
  vi.advanceTimersByTime(20_000);
  watch.used();
  vi.advanceTimersByTime(20_000);
  watch.heard();
  expect(said).toEqual([]);
  vi.advanceTimersByTime(10_000);
  expect(said).toEqual(['session expired']);
});

it('D-44 an old shell expires, used or not', () => {
  const { said, watch } = start({ expireAfter: 30, askEvery: 1000, deadAfter: 1000 });
  vi.advanceTimersByTime(20_000);
  watch.used();
  vi.advanceTimersByTime(10_000);
  expect(said).toEqual(['session expired']);
});

it('does nothing after its end, whatever is still heard', () => {
  const { said, watch } = start({ expireAfterIdle: 1 });
  watch[Symbol.dispose]();
  watch.heard();
  watch.used();
  vi.advanceTimersByTime(1_000_000);
  expect(said).toEqual([]);
});
