import {
  type Counters,
  type DeploymentStatus,
  type DeviceDeploymentStatus,
  deviceDeploymentStatuses,
  finalStatuses,
} from '#proto/http/deployments';

/** What a device may say of itself; the rest is the server's to say (`server-api.md` §1.3). */
export const reportable: ReadonlySet<string> = new Set([
  'downloading',
  'installing',
  'rebooting',
  'pause_before_installing',
  'pause_before_rebooting',
  'pause_before_committing',
  'success',
  'failure',
  'already-installed',
]);

export const isFinal = (status: string): boolean => finalStatuses.has(status as DeviceDeploymentStatus);

/** Words that a list of devices may be filtered by, beside the statuses themselves (§2.2). */
export const statusGroups: Readonly<Record<string, readonly DeviceDeploymentStatus[]>> = {
  pause: ['pause_before_installing', 'pause_before_rebooting', 'pause_before_committing'],
  active: deviceDeploymentStatuses.filter((status) => !isFinal(status)),
  finished: deviceDeploymentStatuses.filter(isFinal),
};

/** The statuses that a filter stands for; undefined: no such word. */
export function statusesOf(word: string): readonly DeviceDeploymentStatus[] | undefined {
  if (Object.hasOwn(statusGroups, word)) return statusGroups[word];
  return deviceDeploymentStatuses.filter((status) => status === word).length > 0
    ? [word as DeviceDeploymentStatus]
    : undefined;
}

/** All counters, those that are nowhere else being 0. */
export function countersOf(rows: Iterable<{ readonly status: string; readonly count: number }>): Counters {
  const counters = Object.fromEntries(deviceDeploymentStatuses.map((status) => [status, 0])) as Counters;
  for (const { status, count } of rows) counters[status as DeviceDeploymentStatus] = count;
  return counters;
}

/** The status of a deployment from its counters (§3.4). */
export function deploymentStatusOf(counters: Counters, maxDevices: number): DeploymentStatus {
  let final = 0;
  let left = 0;
  for (const status of deviceDeploymentStatuses) {
    if (isFinal(status)) final += counters[status];
    if (status !== 'pending') left += counters[status];
  }
  if (final >= maxDevices) return 'finished';
  return left === 0 ? 'pending' : 'inprogress';
}
