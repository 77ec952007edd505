import { Group, Skeleton, Tabs } from '@mantine/core';
import { IconArrowLeft, IconInfoCircle, IconRocket, IconUsers } from '../parts/icons.ts';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { Suspense, lazy, useEffect, useState } from 'react';
import { useWebAddons } from '../addons.ts';
import { ApiFailure } from '../api/http.ts';
import { useDevice } from '../api/devices.ts';
import { useInventory } from '../api/inventory.ts';
import { usePresence } from '../api/presence.ts';
import { deviceName } from '../device-name.ts';
import { AddonIcon } from '../parts/addon-icon.tsx';
import { DeviceActions } from '../parts/device-actions.tsx';
import { DeviceOverview } from '../parts/device-overview.tsx';
import { Empty } from '../parts/empty.tsx';
import { Page } from '../parts/page.tsx';
import { PresenceDot } from '../parts/presence.tsx';
import { Problem } from '../parts/problem.tsx';
import { DeviceSign } from '../parts/status.tsx';

const DeviceDeployments = lazy(async () => ({
  default: (await import('../parts/device-deployments.tsx')).DeviceDeployments,
}));
const DeviceSessions = lazy(async () => ({
  default: (await import('../parts/device-sessions.tsx')).DeviceSessions,
}));
const AddonTab = lazy(async () => ({ default: (await import('../parts/addon-tab.tsx')).AddonTab }));

const presenceWords = { connected: 'online', disconnected: 'offline', unknown: 'never connected' } as const;

export function DevicePage() {
  const { deviceId } = useParams({ from: '/inside/devices/$deviceId' });
  // A page of its own for each device: nothing of one is left when another is opened.
  return <OneDevice key={deviceId} id={deviceId} />;
}

function OneDevice({ id }: { readonly id: string }) {
  const { tab = 'overview', join } = useSearch({ from: '/inside/devices/$deviceId' });
  const navigate = useNavigate({ from: '/devices/$deviceId' });
  const webAddons = useWebAddons();
  const { data: device, error, refetch } = useDevice(id);
  const { data: inventory } = useInventory(id);
  const presence = usePresence(id, device?.status === 'accepted');
  // A tab keeps what runs in it, such as a shell, while another is looked at.
  const [visited, setVisited] = useState<ReadonlySet<string>>(new Set([tab]));
  useEffect(() => setVisited((before) => (before.has(tab) ? before : new Set([...before, tab]))), [tab]);

  // Somebody else's terminal stays what it is while another tab is looked at.
  const [guest, setGuest] = useState(join);
  useEffect(() => setGuest((before) => join ?? before), [join]);

  const back = (
    <Link to="/devices" className="back">
      <IconArrowLeft size={14} aria-hidden /> Devices
    </Link>
  );
  if (error && !device)
    return (
      <Page title="Device" before={back}>
        {error instanceof ApiFailure && error.status === 404 ? (
          <Empty icon={<IconInfoCircle size={34} stroke={1.4} />} title="There is no such device">
            It may have been removed. If it asks to join again it is among the pending devices.
          </Empty>
        ) : (
          <Problem what="The device could not be read" error={error} retry={refetch} />
        )}
      </Page>
    );
  const name = device ? deviceName(device, inventory) : 'Device';
  return (
    <Page
      title={name}
      before={back}
      lead={
        device ? (
          <Group gap={8} mt={4}>
            <DeviceSign status={device.status} />
            {device.status === 'accepted' && (
              <Group gap={7}>
                <PresenceDot presence={presence} />
                <span>{presence ? presenceWords[presence] : ''}</span>
              </Group>
            )}
          </Group>
        ) : (
          <Skeleton height={22} width={160} mt={4} />
        )
      }
      actions={device && <DeviceActions device={device} name={name} />}
    >
      <Tabs
        value={tab}
        // The other ways to hide a tab end what runs in it, such as a shell.
        keepMountedMode="display-none"
        onChange={(value) =>
          void navigate({ search: value && value !== 'overview' ? { tab: value } : {}, replace: true })
        }
      >
        <Tabs.List>
          <Tabs.Tab value="overview" leftSection={<IconInfoCircle size={16} aria-hidden />}>
            Overview
          </Tabs.Tab>
          <Tabs.Tab value="deployments" leftSection={<IconRocket size={16} aria-hidden />}>
            Deployments
          </Tabs.Tab>
          {webAddons.map((addon) => (
            <Tabs.Tab key={addon.id} value={addon.id} leftSection={<AddonIcon name={addon.manifest.icon} size={16} />}>
              {addon.title}
            </Tabs.Tab>
          ))}
          <Tabs.Tab value="sessions" leftSection={<IconUsers size={16} aria-hidden />}>
            Sessions
          </Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="overview" pt="md">
          <DeviceOverview device={device} inventory={inventory} />
        </Tabs.Panel>
        <Tabs.Panel value="deployments" pt="md">
          {visited.has('deployments') && (
            <Suspense fallback={<Skeleton height={300} radius="md" />}>
              <DeviceDeployments id={id} name={name} />
            </Suspense>
          )}
        </Tabs.Panel>
        <Tabs.Panel value="sessions" pt="md">
          {visited.has('sessions') && (
            <Suspense fallback={<Skeleton height={300} radius="md" />}>
              <DeviceSessions id={id} name={name} />
            </Suspense>
          )}
        </Tabs.Panel>
        {webAddons.map((addon) => (
          <Tabs.Panel key={addon.id} value={addon.id} pt="md">
            {device && visited.has(addon.id) && (
              <Suspense fallback={<Skeleton height="calc(100vh - 240px)" radius="md" />}>
                <AddonTab
                  addon={addon}
                  device={device}
                  name={name}
                  presence={presence}
                  join={addon.id === 'terminal' ? guest : undefined}
                />
              </Suspense>
            )}
          </Tabs.Panel>
        ))}
      </Tabs>
    </Page>
  );
}
