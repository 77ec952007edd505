import { Badge, Tooltip } from '@mantine/core';
import type { DeploymentStatus, DeviceDeploymentStatus } from '#proto/http/deployments';
import type { DeviceStatus } from '#proto/http/devices';

interface Word {
  readonly label: string;
  readonly color: string;
  readonly hint?: string;
}

const devices: Record<DeviceStatus, Word> = {
  accepted: { label: 'Accepted', color: 'green' },
  pending: { label: 'Pending', color: 'amber', hint: 'It asked to join and waits for you.' },
  rejected: { label: 'Rejected', color: 'red', hint: 'It is kept out.' },
  preauthorized: { label: 'Preauthorized', color: 'petrol', hint: 'It is accepted as soon as it asks to join.' },
  noauth: { label: 'No key', color: 'gray', hint: 'All its keys were dismissed; it may ask again.' },
};

/** In the order of a device's way through a deployment; colours as in the bar. */
export const partWords: Record<DeviceDeploymentStatus, Word> = {
  pending: { label: 'Waiting', color: 'gray', hint: 'The device has not asked for it yet.' },
  downloading: { label: 'Downloading', color: 'petrol' },
  installing: { label: 'Installing', color: 'petrol' },
  rebooting: { label: 'Rebooting', color: 'petrol' },
  pause_before_installing: { label: 'Paused before install', color: 'amber' },
  pause_before_rebooting: { label: 'Paused before reboot', color: 'amber' },
  pause_before_committing: { label: 'Paused before commit', color: 'amber' },
  success: { label: 'Success', color: 'green' },
  'already-installed': { label: 'Already installed', color: 'green', hint: 'Nothing to do: it has this release.' },
  failure: { label: 'Failed', color: 'red', hint: 'It has gone back to what it had; its log says why.' },
  noartifact: { label: 'No artifact', color: 'gray', hint: 'The release has no artifact for this type of device.' },
  aborted: { label: 'Aborted', color: 'gray' },
  decommissioned: { label: 'Removed', color: 'gray', hint: 'The device was removed from the server.' },
};

const deployments: Record<DeploymentStatus, Word> = {
  pending: { label: 'Waiting', color: 'gray', hint: 'No device has asked for it yet.' },
  inprogress: { label: 'In progress', color: 'petrol' },
  finished: { label: 'Finished', color: 'gray' },
};

function Sign({ word, note }: { readonly word: Word; readonly note?: string | undefined }) {
  const badge = (
    <Badge color={word.color} size="md">
      {word.label}
    </Badge>
  );
  const hint = note ?? word.hint;
  return hint ? <Tooltip label={hint}>{badge}</Tooltip> : badge;
}

export const DeviceSign = ({ status }: { readonly status: DeviceStatus }) => <Sign word={devices[status]} />;
export const DeploymentSign = ({ status }: { readonly status: DeploymentStatus }) => (
  <Sign word={deployments[status]} />
);
export const PartSign = (props: {
  readonly status: DeviceDeploymentStatus;
  readonly substate?: string | undefined;
}) => <Sign word={partWords[props.status]} note={props.substate} />;
