import { IconLock, IconPlugConnectedX } from './icons.ts';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import type { Device } from '#proto/http/devices';
import type { WebAddon } from '../addons.ts';
import { onChanges } from '../api/addon-changes.ts';
import type { Presence } from '../api/presence.ts';
import { connectDevice } from '../api/sessions.ts';
import { useDenied } from '../api/users.ts';
import { AddonPlace, type Mount } from './addon-place.tsx';
import { Empty } from './empty.tsx';

interface AddonTabProps {
  readonly addon: WebAddon;
  readonly device: Device;
  readonly name: string;
  readonly presence: Presence | undefined;
  /** A session of somebody else at which to sit down. */
  readonly join?: string | undefined;
}

/** Where an add-on draws. Before it may, the page says what stands in the way: the role, or a device that is away. */
export function AddonTab({ addon, device, name, presence, join }: AddonTabProps) {
  const denied = useDenied(addon.permission);
  // One without sessions speaks with the server alone: the device may be away.
  const here = !addon.manifest.protocol || (presence === 'connected' && device.status === 'accepted');
  // Once it was opened it stays: a device that goes away is for the add-on to tell, with what is on its screen.
  const [opened, setOpened] = useState(here);
  useEffect(() => {
    if (here) setOpened(true);
  }, [here]);
  if (denied)
    return (
      <Blank>
        <Empty icon={<IconLock size={34} stroke={1.4} />} title={`No ${addon.title.toLowerCase()} for your role`}>
          {denied}
        </Empty>
      </Blank>
    );
  if (!opened && device.status !== 'accepted')
    return (
      <Blank>
        <Empty icon={<IconLock size={34} stroke={1.4} />} title="The device is not accepted">
          Accept it first: until then it cannot connect.
        </Empty>
      </Blank>
    );
  if (!opened && presence)
    return (
      <Blank>
        <Empty icon={<IconPlugConnectedX size={34} stroke={1.4} />} title={`${name} is offline`}>
          {presence === 'unknown'
            ? 'It has never connected: its Connect daemon may not be installed or not be running.'
            : 'It has no connection to this server now.'}{' '}
          This tab opens by itself when it connects.
        </Empty>
      </Blank>
    );
  return <Mounted key={join ?? ''} addon={addon} device={device} name={name} join={join} />;
}

const Blank = ({ children }: { readonly children: React.ReactNode }) => (
  <div className="panel" style={{ padding: '56px 20px' }}>
    {children}
  </div>
);

function Mounted({ addon, device, name, join }: Omit<AddonTabProps, 'presence'>) {
  const client = useQueryClient();
  const { protocol, id, resumes = false } = addon.manifest;
  const mount: Mount = (half, element, lent) =>
    half.mount(element, {
      ...lent,
      get theme() {
        return lent.theme;
      },
      device: { id: device.id, name },
      ...(join === undefined ? {} : { join }),
      openSession: (options) =>
        protocol
          ? connectDevice(device.id, protocol, resumes, options)
          : Promise.reject(new Error('This add-on has no sessions.')),
      onChanged: (listener) =>
        onChanges(client, id, (changed) => {
          if (changed === undefined || changed === device.id) listener();
        }),
    });
  // The name may change while a session runs; that is no reason to end it.
  return <AddonPlace addon={addon} mount={mount} className="panel addon" />;
}
