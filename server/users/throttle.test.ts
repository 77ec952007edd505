import { expect, it } from 'vitest';
import { Throttle } from './throttle.ts';

it('after so many failures a place waits for its window, and only that place', () => {
  const throttle = new Throttle({ failures: 3, windowMs: 60_000 });
  for (let i = 0; i < 3; i++) throttle.failed('a', 1000);
  expect(throttle.wait('a', 1000)).toBe(60);
  expect(throttle.wait('a', 31_000)).toBe(30);
  expect(throttle.wait('b', 1000)).toBe(0);
  expect(throttle.wait('a', 61_000)).toBe(0);
});

it('a success clears it', () => {
  const throttle = new Throttle({ failures: 2, windowMs: 60_000 });
  throttle.failed('a', 0);
  throttle.passed('a');
  throttle.failed('a', 0);
  expect(throttle.wait('a', 0)).toBe(0);
});
