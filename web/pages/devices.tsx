import { Badge, Button, CloseButton, Group, Switch, Tabs, Text, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconCheck, IconRocket, IconSearch, IconX } from '../parts/icons.ts';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useState } from 'react';
import type { Device, FilterTerm } from '#proto/http/devices';
import { useDeviceCount, useDevices, useVerdict } from '../api/devices.ts';
import { meaningOf, useGroups } from '../api/groups.ts';
import { useInventories } from '../api/inventory.ts';
import { usePresences } from '../api/presence.ts';
import { deviceName } from '../device-name.ts';
import { counted } from '../format.ts';
import { deviceColumns, type DeviceRow } from '../parts/device-columns.tsx';
import { DeviceFilter } from '../parts/device-filter.tsx';
import { GuardedButton } from '../parts/guard.tsx';
import { Listing, Pager, type Chosen } from '../parts/listing.tsx';
import { NoDevices } from '../parts/no-devices.tsx';
import { Page } from '../parts/page.tsx';
import { complain, Problem, tell } from '../parts/problem.tsx';

const perPage = 20;
const nobody: readonly string[] = [];
const none: readonly FilterTerm[] = [];
const tabs = [
  ['accepted', 'Accepted'],
  ['pending', 'Pending'],
  ['rejected', 'Rejected'],
] as const;
type Status = (typeof tabs)[number][0];
/** What of a device's inventory says that something watches it and found it unwell. */
const withIssues: FilterTerm = { scope: 'monitor', attribute: 'alerts', type: '$eq', value: true };

export function DevicesPage() {
  const search = useSearch({ from: '/inside/devices' });
  const navigate = useNavigate({ from: '/devices' });
  const status: Status = search.status ?? 'accepted';
  const page = search.page ?? 1;
  const [text, setText] = useState(search.q ?? '');
  const find = useDebouncedCallback((q: string) => {
    void navigate({ search: ({ page: _, q: __, ...rest }) => (q ? { ...rest, q } : rest), replace: true });
  }, 250);
  const issues = status === 'accepted' && search.issues === true;
  const go = (to: Status) =>
    navigate({
      search: ({ page: _, status: __, issues: ___, ...rest }) => ({
        ...rest,
        ...(to === 'accepted' ? {} : { status: to }),
      }),
    });

  const groups = useGroups(search.group !== undefined);
  const asked = search.terms ?? none;
  const terms = useMemo(() => {
    const unwell = issues ? [withIssues] : [];
    if (search.group === undefined) return [...unwell, ...asked];
    // A group that there is not any more has no devices.
    const group = groups.data?.find(({ name }) => name === search.group) ?? { name: search.group, kind: 'static' };
    return [...unwell, ...meaningOf(group), ...asked];
  }, [search.group, asked, groups.data, issues]);
  const filtered = Boolean(search.q) || terms.length > 0;
  const devices = useDevices(
    { status, page, perPage, ...(search.q ? { text: search.q } : {}), ...(terms.length > 0 ? { terms } : {}) },
    search.group === undefined || !groups.isPending,
  );
  const ids = useMemo(() => devices.data?.items.map(({ id }) => id) ?? [], [devices.data]);
  const inventories = useInventories(ids).data;
  // Only an accepted device may open a socket.
  const presences = usePresences(status === 'accepted' ? ids : nobody);
  const rows = useMemo(
    () =>
      devices.data?.items.map((device): DeviceRow => ({
        device,
        inventory: inventories?.get(device.id),
        presence: presences.get(device.id),
      })),
    [devices.data, inventories, presences],
  );

  const [chosen, choose] = useState<Chosen>({});
  useEffect(() => choose({}), [status, page, search.q, terms]);
  const picked = (rows ?? []).filter(({ device }) => chosen[device.id]);

  const verdict = useVerdict();
  const judge = (list: readonly Device[], to: 'accepted' | 'rejected') => {
    choose({});
    verdict.mutate(
      { devices: list, status: to },
      {
        onSuccess: () => tell(`${counted(list.length, 'device')} ${to}`),
        onError: (error) =>
          complain(`${list.length === 1 ? 'The device could not' : 'Not every device could'} be ${to}`, error),
      },
    );
  };
  const columns = useMemo(() => deviceColumns(status, (device, to) => judge([device], to)), [status]);

  return (
    <Page
      title="Devices"
      actions={
        <TextInput
          aria-label="Search devices"
          placeholder="Search name, identity, inventory"
          leftSection={<IconSearch size={16} />}
          w={{ base: 220, sm: 300 }}
          value={text}
          onChange={(event) => {
            setText(event.currentTarget.value);
            find(event.currentTarget.value.trim());
          }}
          rightSection={
            text ? (
              <CloseButton
                size="sm"
                aria-label="Clear the search"
                onClick={() => {
                  setText('');
                  find('');
                }}
              />
            ) : null
          }
        />
      }
    >
      <Tabs value={status} onChange={(value) => void go(value as Status)}>
        <Tabs.List>
          {tabs.map(([value, label]) => (
            <StatusTab key={value} value={value} label={label} />
          ))}
          {status === 'accepted' && (
            <Switch
              ml="auto"
              my="auto"
              size="sm"
              label="With issues only"
              checked={issues}
              onChange={(event) => {
                const wanted = event.currentTarget.checked;
                void navigate({
                  search: ({ page: _, issues: __, ...rest }) => (wanted ? { ...rest, issues: true } : rest),
                });
              }}
            />
          )}
        </Tabs.List>
      </Tabs>
      <DeviceFilter
        group={search.group}
        terms={asked}
        change={({ group, terms: to }) =>
          void navigate({
            search: ({ page: _, group: __, terms: ___, ...rest }) => ({
              ...rest,
              ...(group === undefined ? {} : { group }),
              ...(to.length > 0 ? { terms: [...to] } : {}),
            }),
          })
        }
      />
      {devices.error && !devices.data ? (
        <Problem what="The devices could not be listed" error={devices.error} retry={devices.refetch} />
      ) : (
        <>
          <Listing
            label={`${status} devices`}
            columns={columns}
            rows={rows}
            rowId={({ device }) => device.id}
            rowName={({ device, inventory }) => deviceName(device, inventory)}
            chosen={chosen}
            choose={choose}
            open={({ device }) => void navigate({ to: '/devices/$deviceId', params: { deviceId: device.id } })}
            empty={<NoDevices status={status} text={search.q} filtered={filtered} issues={issues} />}
            foot={
              devices.data && (
                <Pager
                  page={page}
                  perPage={perPage}
                  shown={devices.data.items.length}
                  total={devices.data.total}
                  more={devices.data.more}
                  go={(to) =>
                    void navigate({ search: ({ page: _, ...rest }) => (to > 1 ? { ...rest, page: to } : rest) })
                  }
                />
              )
            }
          />
          {picked.length > 0 && (
            <Group className="bar" role="toolbar" aria-label="Chosen devices">
              <Text size="sm" fw={550} className="num">
                {counted(picked.length, 'device')} chosen
              </Text>
              {status !== 'accepted' && (
                <GuardedButton
                  needs="devices:manage"
                  size="compact-sm"
                  leftSection={<IconCheck size={15} />}
                  onClick={() =>
                    judge(
                      picked.map(({ device }) => device),
                      'accepted',
                    )
                  }
                >
                  Accept
                </GuardedButton>
              )}
              {status !== 'rejected' && (
                <GuardedButton
                  needs="devices:manage"
                  size="compact-sm"
                  variant="default"
                  leftSection={<IconX size={15} />}
                  onClick={() =>
                    judge(
                      picked.map(({ device }) => device),
                      'rejected',
                    )
                  }
                >
                  Reject
                </GuardedButton>
              )}
              {status === 'accepted' && (
                <GuardedButton
                  needs="deployments:manage"
                  size="compact-sm"
                  variant="default"
                  leftSection={<IconRocket size={15} />}
                  onClick={() =>
                    void navigate({
                      to: '/deployments',
                      search: { new: picked.map(({ device }) => device.id).join(',') },
                    })
                  }
                >
                  Deploy to these
                </GuardedButton>
              )}
              <Button size="compact-sm" variant="subtle" color="gray" onClick={() => choose({})}>
                Clear
              </Button>
            </Group>
          )}
        </>
      )}
    </Page>
  );
}

function StatusTab({ value, label }: { readonly value: Status; readonly label: string }) {
  const count = useDeviceCount(value).data;
  return (
    <Tabs.Tab
      value={value}
      rightSection={
        <Badge
          size="sm"
          color={value === 'pending' && count ? 'amber' : 'gray'}
          className="num"
          miw={28}
          aria-label={`${count ?? 0} devices`}
        >
          {count === undefined ? '·' : count.toLocaleString('en')}
        </Badge>
      }
    >
      {label}
    </Tabs.Tab>
  );
}
