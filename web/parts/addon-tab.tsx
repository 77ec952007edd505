import { useComputedColorScheme } from '@mantine/core';
import { IconLock, IconPlugConnectedX } from './icons.ts';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import type { Theme, WebHost } from '#addon/web';
import type { Device } from '#proto/http/devices';
import type { WebAddon } from '../addons.ts';
import { onChanges } from '../api/addon-changes.ts';
import { fetchAsUser } from '../api/http.ts';
import type { Presence } from '../api/presence.ts';
import { connectDevice } from '../api/sessions.ts';
import { useDenied } from '../api/users.ts';
import { Empty } from './empty.tsx';
import { complain, Problem, tell } from './problem.tsx';

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
  const place = useRef<HTMLDivElement>(null);
  const theme: Theme = useComputedColorScheme('light', { getInitialValueInEffect: false });
  const themed = useRef({ theme, listeners: new Set<(theme: Theme) => void>() });
  const client = useQueryClient();
  const [fault, setFault] = useState<unknown>();
  useEffect(() => {
    themed.current.theme = theme;
    for (const listener of themed.current.listeners) listener(theme);
  }, [theme]);

  useEffect(() => {
    const element = place.current;
    const { protocol } = addon.manifest;
    let unmount: (() => void) | undefined;
    let gone = false;
    const host: WebHost = {
      device: { id: device.id, name },
      ...(join === undefined ? {} : { join }),
      get theme() {
        return themed.current.theme;
      },
      onTheme: (listener) => {
        themed.current.listeners.add(listener);
        return () => themed.current.listeners.delete(listener);
      },
      openSession: (options) =>
        protocol
          ? connectDevice(device.id, protocol, addon.manifest.resumes ?? false, options)
          : Promise.reject(new Error('This add-on has no sessions.')),
      fetch: fetchAsUser,
      onChanged: (listener) => onChanges(client, addon.manifest.id, device.id, listener),
      notify: (message, kind) => (kind === 'error' ? complain(addon.title, new Error(message)) : tell(message)),
    };
    addon
      .load()
      .then((half) => {
        if (!gone && element) unmount = half.mount(element, host);
      })
      .catch((error: unknown) => setFault(error));
    return () => {
      gone = true;
      try {
        unmount?.();
      } catch (error) {
        // A fault of one add-on must not take the page with it.
        complain(addon.title, error instanceof Error ? error : new Error(String(error)));
      }
      if (element) element.replaceChildren();
    };
    // The name may change while a session runs; that is no reason to end it.
  }, [addon, device.id, join, client]);

  if (fault) return <Problem what={`${addon.title} could not be loaded`} error={fault} />;
  return <div ref={place} className="panel addon" />;
}
