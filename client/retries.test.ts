import { describe, expect, it } from 'vitest';
import { ApiError, delayOf } from './api.ts';
import { Retries } from './retries.ts';

const clock = { second: 1 };
const all = (ceiling: number, count: number, tries: number) => {
  const retries = new Retries({ RetryPollIntervalSeconds: ceiling, RetryPollCount: count }, clock);
  return Array.from({ length: tries }, () => retries.next());
};

describe('the back-off', () => {
  it('UC-16 each interval three times, doubled up to the ceiling, then given up and anew', () => {
    expect(all(300, 0, 14)).toEqual([60, 60, 60, 120, 120, 120, 240, 240, 240, 300, 300, 300, undefined, 60]);
  });
  it('a ceiling below a minute is the interval', () => {
    expect(all(5, 0, 4)).toEqual([5, 5, 5, undefined]);
  });
  it('a count allows that many, resting at the ceiling', () => {
    expect(all(120, 8, 9)).toEqual([60, 60, 60, 120, 120, 120, 120, 120, undefined]);
  });
  it('UC-17 what the server asks for replaces one interval and is no try', () => {
    const retries = new Retries({ RetryPollIntervalSeconds: 300, RetryPollCount: 0 }, clock);
    expect(retries.next(new ApiError('poll', 429, '', 5))).toBe(5);
    expect([retries.next(), retries.next(), retries.next(), retries.next()]).toEqual([60, 60, 60, 120]);
    expect(retries.next(new ApiError('poll', 429, ''))).toBe(120);
    expect(retries.next(new ApiError('poll', 503, '', 5))).toBe(120);
  });
  it('UC-17 Retry-After as seconds, as a date, as nonsense', () => {
    const thousand = { second: 1000 };
    expect(delayOf('5', thousand)).toBe(5000);
    expect(delayOf(new Date(Date.now() - 10_000).toUTCString(), thousand)).toBe(0);
    expect(delayOf(new Date(Date.now() + 60_000).toUTCString(), thousand)).toBeGreaterThan(50_000);
    expect(delayOf('soon', thousand)).toBeUndefined();
  });
});
