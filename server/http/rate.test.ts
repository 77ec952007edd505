import { expect, it } from 'vitest';
import { Bucket, RateLimits } from './rate.ts';

const device = (id: string) => ({ kind: 'device', id, authSetId: 'x' }) as const;

it('a caller may come as often as his rate at once, then one by one, and is told how long to wait', () => {
  let now = 5000;
  const rates = new RateLimits({ device: 60, user: 0 }, () => now);
  for (let i = 0; i < 60; i++) rates.take(device('a'));
  expect(() => rates.take(device('a'))).toThrow(
    expect.objectContaining({ code: 'too_many_requests', headers: { 'Retry-After': '1' } }),
  );
  expect(rates.refused).toEqual({ device: 1, user: 0 });
  rates.take(device('b'));
  now += 1000;
  rates.take(device('a'));
  expect(() => rates.take(device('a'))).toThrow('try again in 1 s');
  now += 60_000;
  for (let i = 0; i < 60; i++) rates.take(device('a'));
  expect(() => rates.take(device('a'))).toThrow();
});

it('to be refused does not put off the time', () => {
  const bucket = new Bucket(2);
  expect([bucket.take('a', 0), bucket.take('a', 0), bucket.take('a', 0), bucket.take('a', 29_000)]).toEqual([
    0, 0, 30_000, 1000,
  ]);
  expect(bucket.take('a', 30_000)).toBe(0);
});

it('no rate is no limit, and whoever has no name has none', () => {
  const rates = new RateLimits({ device: 0, user: 1 }, () => 0);
  for (let i = 0; i < 1000; i++) rates.take(device('a'));
  for (let i = 0; i < 1000; i++) rates.take({ kind: 'anyone' });
});

it('callers at rest are forgotten', () => {
  const bucket = new Bucket(60);
  for (let i = 0; i < 250_000; i++) bucket.take(`d${i}`, i);
  // Whoever came within the last second is not at rest; of the others at most as many as fit before the next sweep.
  expect(bucket.size).toBeLessThanOrEqual(100_001);
});
