import { ActionIcon, Badge, Button, Group as Row, Stack, Text, Tooltip } from '@mantine/core';
import { Link, useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { Group } from '#proto/http/groups';
import { nested, useGroups, useRemoveGroup } from '../api/groups.ts';
import { useDenied } from '../api/users.ts';
import { sentenceOf } from '../filter-terms.ts';
import { Confirm } from '../parts/confirm.tsx';
import { Empty } from '../parts/empty.tsx';
import { GroupDialog } from '../parts/group-dialog.tsx';
import { GuardedButton } from '../parts/guard.tsx';
import { IconEdit, IconFolders, IconPlus, IconTrash } from '../parts/icons.ts';
import { columnsOf, Listing, type Columns } from '../parts/listing.tsx';
import { MembersDialog } from '../parts/members-dialog.tsx';
import { Page } from '../parts/page.tsx';
import { complain, Problem, tell } from '../parts/problem.tsx';

type NestedGroup = Group & { readonly depth: number };
const column = columnsOf<NestedGroup>();

export function GroupsPage() {
  const { data, error, refetch } = useGroups();
  const navigate = useNavigate();
  const denied = useDenied('inventory:manage');
  const [open, setOpen] = useState<Group | 'new'>();
  const [members, setMembers] = useState<string>();
  const [removing, setRemoving] = useState<Group>();
  const removal = useRemoveGroup();
  const rows = useMemo(() => data && nested(data), [data]);
  const columns: Columns<NestedGroup> = [
    column.display({
      id: 'name',
      header: 'Group',
      cell: ({ row: { original } }) => (
        <Stack gap={0} pl={original.depth * 22}>
          <Row gap={8} wrap="nowrap">
            <Link to="/devices" search={{ group: original.name }} className="row-link">
              {original.name}
            </Link>
            {original.kind === 'dynamic' && <Badge color="blue">Dynamic</Badge>}
          </Row>
          {original.description && (
            <Text size="xs" c="dimmed">
              {original.description}
            </Text>
          )}
        </Stack>
      ),
    }),
    column.display({
      id: 'what',
      header: 'Holds',
      cell: ({ row: { original } }) =>
        original.terms ? (
          <Text span c="dimmed" className="mono">
            {original.terms.map(sentenceOf).join(', and ')}
          </Text>
        ) : (
          <Text span size="sm" c="dimmed">
            a list of devices
          </Text>
        ),
    }),
    column.display({
      id: 'devices',
      header: 'Devices',
      meta: { right: true, width: 90 },
      cell: ({ row: { original } }) => (original.devices ?? 0).toLocaleString('en'),
    }),
    column.display({
      id: 'actions',
      header: () => <span className="hidden">Actions</span>,
      meta: { right: true, acts: true, width: 190 },
      cell: ({ row: { original } }) => (
        <Row gap={4} justify="flex-end" wrap="nowrap">
          {original.kind === 'static' && (
            <Button
              size="compact-sm"
              variant="subtle"
              aria-label={`Devices of ${original.name}`}
              onClick={() => setMembers(original.name)}
            >
              Devices
            </Button>
          )}
          {!denied && (
            <>
              <Tooltip label="Edit">
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Edit ${original.name}`}
                  onClick={() => setOpen(original)}
                >
                  <IconEdit size={16} />
                </ActionIcon>
              </Tooltip>
              <Tooltip label="Delete">
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Delete ${original.name}`}
                  onClick={() => setRemoving(original)}
                >
                  <IconTrash size={16} />
                </ActionIcon>
              </Tooltip>
            </>
          )}
        </Row>
      ),
    }),
  ];
  const remove = ({ name }: Group) =>
    removal.mutate(name, {
      onSuccess: () => tell(`Group ${name} was deleted`),
      onError: (cause) => complain(`Group ${name} could not be deleted`, cause),
      onSettled: () => setRemoving(undefined),
    });
  return (
    <Page
      title="Groups"
      lead="Lists of devices, and filters that find them by themselves. Deployments, settings and roles are for groups."
      actions={
        <GuardedButton needs="inventory:manage" leftSection={<IconPlus size={16} />} onClick={() => setOpen('new')}>
          New group
        </GuardedButton>
      }
    >
      {error && !data ? (
        <Problem what="The groups could not be listed" error={error} retry={refetch} />
      ) : (
        <Listing
          label="Groups"
          columns={columns}
          rows={rows}
          rowId={({ name }) => name}
          open={({ name }) => void navigate({ to: '/devices', search: { group: name } })}
          expect={5}
          empty={
            <Empty icon={<IconFolders size={34} stroke={1.4} />} title="No group yet">
              Make one of devices that belong together, or of a filter: whatever it finds is in it.
            </Empty>
          }
        />
      )}
      {open && (
        <GroupDialog group={open === 'new' ? undefined : open} groups={data ?? []} close={() => setOpen(undefined)} />
      )}
      {members !== undefined && <MembersDialog name={members} close={() => setMembers(undefined)} />}
      <Confirm
        opened={removing !== undefined}
        title={`Delete the group ${removing?.name ?? ''}?`}
        verb="Delete"
        busy={removal.isPending}
        close={() => setRemoving(undefined)}
        confirm={() => removing && remove(removing)}
      >
        Its devices stay, and what is shown in it moves up. Settings given for it no longer apply to them.
      </Confirm>
    </Page>
  );
}
