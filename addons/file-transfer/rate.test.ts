import { expect, it } from 'vitest';
import { Rate } from './rate.ts';

it('E-54 FT-15 bytes of a minute count less and less, and a minute after the limit there is room again', () => {
  let now = 0;
  const rate = new Rate(() => now);
  rate.add(1_000_000);
  // The reference looks every five seconds.
  expect(rate.exceeds(70_000)).toBe(false);
  now = 5000;
  expect(rate.exceeds(79_000)).toBe(true);
  expect(rate.exceeds(81_000)).toBe(false);
  expect(rate.exceeds(0)).toBe(false);
  now = 65_000;
  expect(rate.exceeds(30_000)).toBe(false);
  expect(rate.exceeds(29_000)).toBe(true);
});
