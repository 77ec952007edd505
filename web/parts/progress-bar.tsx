import { Group, Progress, Text, Tooltip } from '@mantine/core';
import { finalStatuses, type Deployment, type DeviceDeploymentStatus } from '#proto/http/deployments';
import { partWords } from './status.tsx';

const segments: readonly (readonly [name: string, color: string, statuses: readonly DeviceDeploymentStatus[]])[] = [
  ['Succeeded', 'var(--pb-good)', ['success', 'already-installed']],
  ['Failed', 'var(--pb-bad)', ['failure']],
  ['Left out', 'var(--pb-idle)', ['noartifact', 'aborted', 'decommissioned']],
  ['At work', 'var(--pb-work)', ['downloading', 'installing', 'rebooting']],
  ['Paused', 'var(--pb-cord)', ['pause_before_installing', 'pause_before_rebooting', 'pause_before_committing']],
];

/** Devices of a deployment: how many there are, and how many are through. */
export function tally(deployment: Deployment) {
  const { status } = deployment.statistics;
  const sum = (statuses: readonly DeviceDeploymentStatus[]) =>
    statuses.reduce((total, each) => total + (status[each] ?? 0), 0);
  const counted = sum(Object.keys(partWords) as DeviceDeploymentStatus[]);
  // Records of devices are made as they ask; until then only the number that was meant is known.
  const total = Math.max(deployment.max_devices ?? 0, deployment.device_count, counted);
  return { total, done: sum([...finalStatuses]), failed: status.failure ?? 0, sum };
}

/** How far a deployment is, at a glance; the words behind the colours on hover and for a screen reader. */
export function DeploymentBar({ deployment, size = 8 }: { readonly deployment: Deployment; readonly size?: number }) {
  const { total, done, sum } = tally(deployment);
  const parts = segments.map(([name, color, statuses]) => ({ name, color, count: sum(statuses) }));
  const words = parts
    .filter(({ count }) => count > 0)
    .map(({ name, count }) => `${name.toLowerCase()} ${count}`)
    .join(', ');
  return (
    <Tooltip label={words || 'No device has asked for it yet'}>
      <Group
        gap={10}
        wrap="nowrap"
        role="progressbar"
        aria-label={`Progress of ${deployment.name}`}
        aria-valuemin={0}
        aria-valuemax={total}
        aria-valuenow={done}
        aria-valuetext={`${done} of ${total} done: ${words || 'nothing yet'}`}
      >
        <Progress.Root size={size} style={{ flex: 1, minWidth: 90 }} transitionDuration={300}>
          {parts.map(({ name, color, count }) => (
            <Progress.Section key={name} value={total === 0 ? 0 : (count / total) * 100} color={color} aria-hidden />
          ))}
        </Progress.Root>
        <Text span size="sm" c="dimmed" className="num" miw={56} ta="right">
          {done} / {total}
        </Text>
      </Group>
    </Tooltip>
  );
}
