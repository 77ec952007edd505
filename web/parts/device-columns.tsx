import { ActionIcon, Badge, Group, Text, Tooltip } from '@mantine/core';
import { IconCheck, IconX } from './icons.ts';
import { Link } from '@tanstack/react-router';
import type { Device, InventoryDevice } from '#proto/http/devices';
import { attributeOf } from '../api/inventory.ts';
import type { Presence } from '../api/presence.ts';
import { useDenied } from '../api/users.ts';
import { deviceName, identityOf, softwareOf } from '../device-name.ts';
import { counted } from '../format.ts';
import { columnsOf, type Columns } from './listing.tsx';
import { PresenceDot } from './presence.tsx';
import { Ago } from './time.tsx';

export interface DeviceRow {
  readonly device: Device;
  readonly inventory: InventoryDevice | undefined;
  readonly presence: Presence | undefined;
}
type Judge = (device: Device, to: 'accepted' | 'rejected') => void;

const column = columnsOf<DeviceRow>();

/** Short enough for a cell, long enough to tell devices apart by. */
const clip = (text: string | undefined, length = 40) =>
  text && text.length > length ? `${text.slice(0, length - 1)}…` : (text ?? '–');

export function deviceColumns(status: 'accepted' | 'pending' | 'rejected', judge: Judge): Columns<DeviceRow> {
  const name = column.display({
    id: 'name',
    header: 'Device',
    cell: ({ row: { original } }) => (
      <Group gap={11} wrap="nowrap">
        {status === 'accepted' && <PresenceDot presence={original.presence} />}
        <Link to="/devices/$deviceId" params={{ deviceId: original.device.id }} className="row-link">
          {clip(deviceName(original.device, original.inventory))}
        </Link>
        <Issues count={Number(attributeOf(original.inventory, 'monitor', 'alert_count') ?? 0)} />
      </Group>
    ),
  });
  const identity = column.display({
    id: 'identity',
    header: 'Identity',
    cell: ({ row: { original } }) => (
      <Text span c="dimmed" className="mono">
        {clip(identityOf(original.device))}
      </Text>
    ),
  });
  if (status !== 'accepted')
    return [
      name,
      identity,
      column.display({
        id: 'asked',
        header: status === 'pending' ? 'First seen' : 'Changed',
        cell: ({ row: { original } }) => (
          <Ago time={status === 'pending' ? original.device.created_ts : original.device.updated_ts} />
        ),
      }),
      column.display({
        id: 'verdict',
        header: () => <span className="hidden">Actions</span>,
        meta: { right: true, width: 110 },
        cell: ({ row: { original } }) => <Verdicts row={original} status={status} judge={judge} />,
      }),
    ];
  return [
    name,
    identity,
    column.display({
      id: 'type',
      header: 'Type',
      cell: ({ row: { original } }) => clip(attributeOf(original.inventory, 'inventory', 'device_type'), 30),
    }),
    column.display({
      id: 'software',
      header: 'Software',
      cell: ({ row: { original } }) => clip(softwareOf(original.inventory), 34),
    }),
    column.display({
      id: 'seen',
      header: 'Last seen',
      meta: { width: 150 },
      cell: ({ row: { original } }) =>
        // A check-in is noted now and then only; an open socket says more.
        original.presence === 'connected' ? (
          'now'
        ) : (
          <Ago time={original.device.check_in_time ?? original.inventory?.updated_ts} />
        ),
    }),
  ];
}

/** Checks of the device that are not well, whatever makes them. */
function Issues({ count }: { readonly count: number }) {
  if (!(count > 0)) return null;
  return (
    <Badge size="sm" color="red" className="num">
      {counted(count, 'issue')}
    </Badge>
  );
}

function Verdicts(props: { readonly row: DeviceRow; readonly status: 'pending' | 'rejected'; readonly judge: Judge }) {
  const denied = useDenied('devices:manage');
  if (denied) return null;
  const { device, inventory } = props.row;
  const name = deviceName(device, inventory);
  return (
    <Group gap={6} justify="flex-end" wrap="nowrap">
      <Tooltip label="Accept: it may talk to this server">
        <ActionIcon variant="light" aria-label={`Accept ${name}`} onClick={() => props.judge(device, 'accepted')}>
          <IconCheck size={17} />
        </ActionIcon>
      </Tooltip>
      {props.status === 'pending' && (
        <Tooltip label="Reject: it is kept out">
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Reject ${name}`}
            onClick={() => props.judge(device, 'rejected')}
          >
            <IconX size={17} />
          </ActionIcon>
        </Tooltip>
      )}
    </Group>
  );
}
