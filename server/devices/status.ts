import type { DeviceStatus } from '#proto/http/devices';

const strength: readonly DeviceStatus[] = ['accepted', 'preauthorized', 'pending', 'rejected'];

/** A device is as far as the strongest of its authentication sets (`server-api.md` §1.1). */
export function strongest(statuses: readonly string[]): DeviceStatus {
  return strength.find((status) => statuses.includes(status)) ?? 'noauth';
}

const transitions: Readonly<Record<'accepted' | 'rejected' | 'pending', readonly string[]>> = {
  accepted: ['pending', 'rejected'],
  rejected: ['pending', 'accepted'],
  pending: ['accepted', 'rejected', 'pending'],
};

/** Whether an operator may move an authentication set so (§2.1). */
export const mayMove = (from: string, to: 'accepted' | 'rejected' | 'pending'): boolean =>
  transitions[to].includes(from);
