import { ActionIcon, Button, Group as Row, Modal, MultiSelect, Stack } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { InventoryDevice } from '#proto/http/devices';
import { useMembers, useRegroup } from '../api/groups.ts';
import { useAcceptedDevices } from '../api/inventory.ts';
import { useDenied } from '../api/users.ts';
import { deviceName } from '../device-name.ts';
import { counted } from '../format.ts';
import { Empty } from './empty.tsx';
import { IconDevices, IconX } from './icons.ts';
import { columnsOf, Listing, Pager } from './listing.tsx';
import { complain, Problem, tell } from './problem.tsx';

const perPage = 10;
const column = columnsOf<InventoryDevice>();
const nameOf = (device: InventoryDevice) => deviceName({ id: device.id, identity_data: {} }, device);

/** Who is in a static group: they are put in and taken out here. */
export function MembersDialog({ name, close }: { readonly name: string; readonly close: () => void }) {
  const [page, setPage] = useState(1);
  const members = useMembers(name, page, perPage);
  const regroup = useRegroup();
  const denied = useDenied('inventory:manage');
  const [chosen, choose] = useState<string[]>([]);
  const [typed, setTyped] = useState('');
  const [text] = useDebouncedValue(typed, 200);
  const found = useAcceptedDevices(text).data;
  const [known, keep] = useState(new Map<string, string>());
  const options = useMemo(() => {
    const all = new Map([...known, ...(found ?? []).map((device) => [device.id, nameOf(device)] as const)]);
    return [...all].map(([value, label]) => ({ value, label }));
  }, [known, found]);
  const into = () =>
    regroup.mutate(
      { name, ids: chosen, into: true },
      {
        onSuccess: () => {
          tell(`${counted(chosen.length, 'device')} put into ${name}`);
          choose([]);
        },
        onError: (error) => complain(`Not put into ${name}`, error),
      },
    );
  const out = (device: InventoryDevice) =>
    regroup.mutate(
      { name, ids: [device.id], into: false },
      {
        onSuccess: () => tell(`${nameOf(device)} taken out of ${name}`),
        onError: (error) => complain(`Not taken out of ${name}`, error),
      },
    );
  const columns = [
    column.display({
      id: 'name',
      header: 'Device',
      cell: ({ row: { original } }) => (
        <Link to="/devices/$deviceId" params={{ deviceId: original.id }} className="row-link">
          {nameOf(original)}
        </Link>
      ),
    }),
    column.display({
      id: 'out',
      header: () => <span className="hidden">Actions</span>,
      meta: { right: true, acts: true, width: 60 },
      cell: ({ row: { original } }) =>
        denied ? null : (
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Take out ${nameOf(original)}`}
            onClick={() => out(original)}
          >
            <IconX size={16} />
          </ActionIcon>
        ),
    }),
  ];
  return (
    <Modal opened onClose={close} title={`Devices of ${name}`} size={640}>
      <Stack>
        {!denied && (
          <Row align="flex-end" gap="xs" wrap="nowrap">
            <MultiSelect
              label="Put in"
              placeholder={chosen.length === 0 ? 'Type a name, an identity or part of the inventory' : ''}
              style={{ flex: 1 }}
              searchable
              hidePickedOptions
              maxValues={1000}
              data={options}
              filter={({ options: all }) => all}
              value={chosen}
              onChange={(ids) => {
                keep(
                  new Map(options.filter(({ value }) => ids.includes(value)).map(({ value, label }) => [value, label])),
                );
                choose(ids);
              }}
              searchValue={typed}
              onSearchChange={setTyped}
              nothingFoundMessage="No accepted device matches"
            />
            <Button disabled={chosen.length === 0} loading={regroup.isPending} onClick={into}>
              Put in
            </Button>
          </Row>
        )}
        {members.error && !members.data ? (
          <Problem what="The devices could not be listed" error={members.error} retry={members.refetch} />
        ) : (
          <Listing
            label={`Devices of ${name}`}
            columns={columns}
            rows={members.data?.items}
            rowId={({ id }) => id}
            expect={3}
            empty={<Empty icon={<IconDevices size={34} stroke={1.4} />} title="No device is in this group" />}
            foot={
              members.data && (
                <Pager
                  page={page}
                  perPage={perPage}
                  shown={members.data.items.length}
                  total={members.data.total}
                  more={members.data.more}
                  go={setPage}
                />
              )
            }
          />
        )}
      </Stack>
    </Modal>
  );
}
