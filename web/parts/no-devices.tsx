import { Link } from '@tanstack/react-router';
import type { DeviceStatus } from '#proto/http/devices';
import { Empty } from './empty.tsx';
import { IconDevices } from './icons.ts';

interface NoDevicesProps {
  readonly status: DeviceStatus;
  readonly text: string | undefined;
  /** Conditions hold of what is shown. */
  readonly filtered: boolean;
  readonly issues: boolean;
}

/** Why a list of devices is empty, and what to do. */
export function NoDevices({ status, text, filtered, issues }: NoDevicesProps) {
  const icon = <IconDevices size={34} stroke={1.4} />;
  if (issues)
    return (
      <Empty icon={icon} title={text ? `No device with issues matches “${text}”` : 'No device with issues is found'}>
        Devices say what is wrong with them when something watches them.
      </Empty>
    );
  if (text)
    return (
      <Empty icon={icon} title={`No ${status} device matches “${text}”`}>
        The search looks at ids, identities and inventory. Try part of a name, or another tab.
      </Empty>
    );
  if (filtered)
    return (
      <Empty icon={icon} title={`No ${status} device is found`}>
        All conditions must hold of a device. Take one away, or look under another tab.
      </Empty>
    );
  if (status === 'pending')
    return (
      <Empty icon={icon} title="No device waits for acceptance">
        A device shows up here when it first asks to join. Set <code>ServerURL</code> in its{' '}
        <code>/etc/mender/mender.conf</code> to <code>{location.origin}</code> and start its client.
      </Empty>
    );
  if (status === 'rejected')
    return (
      <Empty icon={icon} title="No device is rejected">
        A rejected device is kept out until you accept it.
      </Empty>
    );
  return (
    <Empty icon={icon} title="No device is accepted yet">
      Devices that ask to join wait under{' '}
      <Link to="/devices" search={{ status: 'pending' }}>
        Pending
      </Link>{' '}
      until you accept them.
    </Empty>
  );
}
