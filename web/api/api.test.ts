import { QueryClient } from '@tanstack/react-query';
import { expect, it } from 'vitest';
import type { Device, DeviceStatus } from '#proto/http/devices';
import { decidedSet } from './devices.ts';
import { createQueryClient } from './client.ts';
import { ApiFailure, pathOf } from './http.ts';

const device = (...sets: [id: string, status: DeviceStatus, ts: string][]): Device => ({
  id: 'd',
  identity_data: {},
  status: 'pending',
  decommissioning: false,
  created_ts: '',
  updated_ts: '',
  auth_sets: sets.map(([id, status, ts]) => ({ id, status, ts, identity_data: {}, pubkey: '' })),
});

it('accepting a device that came with a new key accepts the new one', () => {
  const twice = device(['old', 'rejected', '2026-01-01'], ['new', 'pending', '2026-02-01']);
  expect(decidedSet(twice, 'accepted')).toBe('new');
  expect(decidedSet(device(['a', 'accepted', '2026-01-01']), 'accepted')).toBeUndefined();
});

it('rejecting takes the key that waits, else the one that is in use', () => {
  expect(decidedSet(device(['a', 'accepted', '2026-01-01'], ['b', 'pending', '2025-01-01']), 'rejected')).toBe('b');
  expect(decidedSet(device(['a', 'accepted', '2026-01-01']), 'rejected')).toBe('a');
});

it('what a server refused is not asked again, what it could not answer is', () => {
  const client: QueryClient = createQueryClient();
  const retry = client.getDefaultOptions().queries?.retry as (count: number, error: Error) => boolean;
  expect(retry(0, new ApiFailure(403, 'no'))).toBe(false);
  expect(retry(0, new ApiFailure(503, 'later'))).toBe(true);
  expect(retry(0, new ApiFailure(0, 'gone'))).toBe(true);
  expect(retry(2, new ApiFailure(0, 'gone'))).toBe(false);
});

it('a query leaves out what has no value and repeats what has several', () => {
  expect(pathOf('/x', { a: 1, b: undefined, c: '', d: ['p', 'q'], e: false })).toBe('/x?a=1&d=p&d=q&e=false');
});
