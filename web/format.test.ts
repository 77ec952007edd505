import { expect, it } from 'vitest';
import { ago, bytes, counted, lasted } from './format.ts';

it('sizes are short and keep their order', () => {
  expect([0, 1023, 1024, 1536, 231_000_000, 10 * 2 ** 30].map(bytes)).toEqual([
    '0 B',
    '1023 B',
    '1.0 KiB',
    '1.5 KiB',
    '220 MiB',
    '10.0 GiB',
  ]);
});

it('a time is told as a person would', () => {
  const now = Date.parse('2026-11-25T12:00:00Z');
  const at = (seconds: number) => ago(new Date(now - seconds * 1000).toISOString(), now);
  expect([5, 110, 7200, 3 * 86_400].map(at)).toEqual(['just now', '2 minutes ago', '2 hours ago', '3 days ago']);
  expect(at(-3)).toBe('just now');
});

it('a device that never checked in says never, whatever stands for that', () => {
  expect([undefined, '', '0001-01-01T00:00:00Z', 'rubbish'].map((time) => ago(time, Date.now()))).toEqual([
    'never',
    'never',
    'never',
    'never',
  ]);
});

it('how long something took', () => {
  expect(lasted('2026-11-25T12:00:00Z', '2026-11-25T12:00:41Z')).toBe('41 s');
  expect(lasted('2026-11-25T12:00:00Z', '2026-11-25T12:03:20Z')).toBe('3 m 20 s');
  expect(lasted('2026-11-25T12:00:00Z', '2026-11-25T14:05:00Z')).toBe('2 h 5 m');
  expect(lasted('2026-11-25T12:00:00Z', undefined)).toBe('');
});

it('one device, two devices', () => {
  expect([0, 1, 2310].map((count) => counted(count, 'device'))).toEqual(['0 devices', '1 device', '2,310 devices']);
});
