import { ActionIcon, Menu } from '@mantine/core';
import { IconCheck, IconDots, IconRocket, IconTrash, IconX } from './icons.ts';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import type { Device } from '#proto/http/devices';
import { decidedSet, useDecommission, useVerdict } from '../api/devices.ts';
import { useDenied } from '../api/users.ts';
import { Confirm } from './confirm.tsx';
import { GuardedButton } from './guard.tsx';
import { complain, tell } from './problem.tsx';

/** What can be done with one device as a whole. */
export function DeviceActions({ device, name }: { readonly device: Device; readonly name: string }) {
  const navigate = useNavigate();
  const verdict = useVerdict();
  const removal = useDecommission();
  const denied = useDenied('devices:manage');
  const [removing, setRemoving] = useState(false);
  const judge = (status: 'accepted' | 'rejected') =>
    verdict.mutate(
      { devices: [device], status },
      {
        onSuccess: () => tell(`${name} is ${status}`),
        onError: (error) => complain(`${name} could not be ${status}`, error),
      },
    );
  const remove = () =>
    removal.mutate(device.id, {
      onSuccess: () => {
        tell(`${name} was removed`);
        void navigate({ to: '/devices' });
      },
      onError: (error) => complain(`${name} could not be removed`, error),
    });
  return (
    <>
      {device.status !== 'accepted' && decidedSet(device, 'accepted') && (
        <GuardedButton
          needs="devices:manage"
          leftSection={<IconCheck size={16} />}
          loading={verdict.isPending}
          onClick={() => judge('accepted')}
        >
          Accept
        </GuardedButton>
      )}
      {device.status === 'pending' && (
        <GuardedButton
          needs="devices:manage"
          variant="default"
          leftSection={<IconX size={16} />}
          onClick={() => judge('rejected')}
        >
          Reject
        </GuardedButton>
      )}
      {device.status === 'accepted' && (
        <GuardedButton
          needs="deployments:manage"
          variant="default"
          leftSection={<IconRocket size={16} />}
          onClick={() => void navigate({ to: '/deployments', search: { new: device.id } })}
        >
          Deploy
        </GuardedButton>
      )}
      {!denied && (
        <Menu position="bottom-end" shadow="md">
          <Menu.Target>
            <ActionIcon variant="default" size={36} aria-label="More actions">
              <IconDots size={18} />
            </ActionIcon>
          </Menu.Target>
          <Menu.Dropdown>
            {device.status === 'accepted' && (
              <Menu.Item leftSection={<IconX size={16} />} onClick={() => judge('rejected')}>
                Reject: keep it out
              </Menu.Item>
            )}
            <Menu.Item color="red" leftSection={<IconTrash size={16} />} onClick={() => setRemoving(true)}>
              Remove from the server…
            </Menu.Item>
          </Menu.Dropdown>
        </Menu>
      )}
      <Confirm
        opened={removing}
        title={`Remove ${name}?`}
        verb="Remove"
        busy={removal.isPending}
        close={() => setRemoving(false)}
        confirm={remove}
      >
        Its keys, inventory and open deployments go with it, and a session that is open is cut. A device that is still
        running asks to join again and waits among the pending ones.
      </Confirm>
    </>
  );
}
