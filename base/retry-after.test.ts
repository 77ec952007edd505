import { expect, it } from 'vitest';
import { secondsToWait } from './retry-after.ts';

it('a server may ask for seconds or name a date, and for an hour at most', () => {
  expect(secondsToWait('12')).toBe(12);
  expect(secondsToWait('999999')).toBe(3600);
  const soon = secondsToWait(new Date(Date.now() + 30_000).toUTCString()) ?? NaN;
  expect(Math.abs(soon - 30)).toBeLessThan(3);
  expect(secondsToWait('Wed, 01 Jan 2020 00:00:00 GMT')).toBe(0);
  for (const none of [undefined, null, '', 'soon', '-5x']) expect(secondsToWait(none)).toBeUndefined();
});
