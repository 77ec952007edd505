import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Rounds } from './rounds.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('ten checks of thirty seconds wake the device twice a minute, and not while there is nothing to do', async () => {
  using rounds = new Rounds();
  let looks = 0;
  const offs: (() => void)[] = [];
  for (let check = 0; check < 10; check += 1) {
    await vi.advanceTimersByTimeAsync(1234);
    offs.push(rounds.every(30_000, () => (looks += 1)));
  }
  await vi.advanceTimersByTimeAsync(60_000);
  [rounds.woken, looks] = [0, 0];
  await vi.advanceTimersByTimeAsync(600_000);
  expect([rounds.woken, looks]).toEqual([20, 200]);
  for (const off of offs) off();
  expect(vi.getTimerCount()).toBe(0);
});

it('different periods share their strokes, and a short wait is kept as it is', async () => {
  using rounds = new Rounds();
  rounds.every(5000, () => undefined);
  rounds.every(60_000, () => undefined);
  let at = 0;
  await vi.advanceTimersByTimeAsync(1000);
  rounds.in(200, () => (at = performance.now()));
  const before = performance.now();
  await vi.advanceTimersByTimeAsync(250);
  expect(at - before).toBeLessThan(210);
  rounds.woken = 0;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(rounds.woken).toBe(12);
});
