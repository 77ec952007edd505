import { expect, it } from 'vitest';
import { Bucket, RateLimits } from './rate.ts';

const device = (id: string) => ({ kind: 'device', id, authSetId: 'x' }) as const;

it('a caller may come as often as his rate at once, then one by one, and is told how long to wait', () => {
  let now = 5000;
  const rates = new RateLimits({ device: 60, user: 0, address: 0 }, () => now);
  for (let i = 0; i < 60; i++) rates.take(device('a'));
  expect(() => rates.take(device('a'))).toThrow(
    expect.objectContaining({ code: 'too_many_requests', headers: { 'Retry-After': '1' } }),
  );
  expect(rates.refused).toEqual({ device: 1, user: 0, address: 0 });
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
  const rates = new RateLimits({ device: 0, user: 1, address: 0 }, () => 0);
  for (let i = 0; i < 1000; i++) rates.take(device('a'));
  for (let i = 0; i < 1000; i++) rates.take({ kind: 'anyone' });
});

it('callers at rest are forgotten', () => {
  const bucket = new Bucket(60);
  for (let i = 0; i < 250_000; i++) bucket.take(`d${i}`, i);
  // Whoever came within the last second is not at rest; of the others at most as many as fit before the next sweep.
  expect(bucket.size).toBeLessThanOrEqual(100_001);
});

it('callers that are not at rest take no more memory than that, and who came last is still counted', () => {
  const bucket = new Bucket(1);
  for (let i = 0; i < 250_000; i++) bucket.take(`d${i}`, 0);
  expect(bucket.size).toBeLessThanOrEqual(100_001);
  expect(bucket.take('d249999', 0)).toBe(60_000);
});

it.each([
  ['10.0.0.1', '::ffff:10.0.0.1', true],
  ['10.0.0.1', '10.0.0.2', false],
  ['2001:db8:1:2::1', '2001:db8:1:2:aaaa:bbbb:cccc:dddd', true],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['::1', '::2', true],
])('strangers at %s and %s are counted as one: %s', (one, other, same) => {
  const rates = new RateLimits({ device: 0, user: 0, address: 1 }, () => 0);
  rates.takeFrom(one);
  if (same) expect(() => rates.takeFrom(other)).toThrow('too many requests');
  else rates.takeFrom(other);
  expect(rates.refused.address).toBe(same ? 1 : 0);
});
