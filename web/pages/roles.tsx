import { Badge, Button, Group, Modal, Stack, Text, TextInput } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useMemo, useState, type FormEvent } from 'react';
import type { Grant, Role } from '#proto/http/users';
import { useRemoveRole, useRoles, useSaveRole } from '../api/people.ts';
import { useDenied } from '../api/users.ts';
import { Confirm } from '../parts/confirm.tsx';
import { Empty } from '../parts/empty.tsx';
import { Facts } from '../parts/facts.tsx';
import { GrantTable } from '../parts/grant-table.tsx';
import { GuardedButton } from '../parts/guard.tsx';
import { IconArrowLeft, IconLock, IconPlus } from '../parts/icons.ts';
import { columnsOf, Listing, type Columns } from '../parts/listing.tsx';
import { Page } from '../parts/page.tsx';
import { complain, Problem, Reason, tell } from '../parts/problem.tsx';

const column = columnsOf<Role>();

/** `everywhere`, or the groups and tags that a role is confined to. */
function placesOf({ grants }: Role): string {
  const names = new Set(grants.flatMap(({ groups, tags }) => [...(groups ?? []), ...(tags ?? [])]));
  if (grants.some(({ groups, tags }) => !groups && !tags)) names.add('everywhere');
  return [...names].join(', ') || 'nowhere';
}

const columns: Columns<Role> = [
  column.display({
    id: 'name',
    header: 'Role',
    cell: ({ row: { original } }) => (
      <Group gap={8} wrap="nowrap">
        <b>{original.name}</b>
        {original.builtin && <Badge color="gray">Built in</Badge>}
      </Group>
    ),
  }),
  column.display({
    id: 'description',
    header: 'For',
    cell: ({ row: { original } }) => <Text c="dimmed">{original.description}</Text>,
  }),
  column.display({ id: 'where', header: 'Where', cell: ({ row: { original } }) => placesOf(original) }),
  column.display({
    id: 'count',
    header: 'Rights',
    meta: { right: true },
    cell: ({ row: { original } }) => original.grants.length,
  }),
  column.display({
    id: 'users',
    header: 'Users',
    meta: { right: true },
    cell: ({ row: { original } }) => original.users,
  }),
];

export function RolesPage() {
  const { data, error, refetch } = useRoles();
  const [open, setOpen] = useState<Role | 'new'>();
  const denied = useDenied('users:manage');
  return (
    <Page
      title="Roles"
      lead="What users may do, and where: everywhere, in some groups of devices, or with some tags of releases."
      before={
        <Link to="/users">
          <Group gap={4} component="span">
            <IconArrowLeft size={14} /> Users
          </Group>
        </Link>
      }
      actions={
        <GuardedButton needs="users:manage" leftSection={<IconPlus size={16} />} onClick={() => setOpen('new')}>
          New role
        </GuardedButton>
      }
    >
      {error && !data ? (
        <Problem what="The roles could not be read" error={error} retry={refetch} />
      ) : (
        <Listing
          label="Roles"
          columns={columns}
          rows={data}
          rowId={({ name }) => name}
          open={setOpen}
          expect={5}
          empty={<Empty icon={<IconLock size={34} stroke={1.4} />} title="No roles" />}
        />
      )}
      {open && (
        <RoleDialog
          role={open === 'new' ? undefined : open}
          fixed={denied !== undefined}
          close={() => setOpen(undefined)}
        />
      )}
    </Page>
  );
}

interface RoleDialogProps {
  readonly role: Role | undefined;
  /** To be looked at only. */
  readonly fixed: boolean;
  readonly close: () => void;
}

function RoleDialog({ role, fixed, close }: RoleDialogProps) {
  const save = useSaveRole();
  const removal = useRemoveRole();
  const [name, setName] = useState(role?.name ?? '');
  const [description, setDescription] = useState(role?.description ?? '');
  const [grants, setGrants] = useState<Grant[]>([...(role?.grants ?? [])]);
  const [removing, setRemoving] = useState(false);
  const still = fixed || role?.builtin === true;
  const title = useMemo(() => (role ? `Role ${role.name}` : 'New role'), [role]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const content = { name: name.trim(), description: description.trim(), grants };
    save.mutate(
      { role: content, isNew: role === undefined },
      {
        onSuccess: () => {
          tell(`Role ${content.name} saved`);
          close();
        },
      },
    );
  };
  const remove = () =>
    removal.mutate(name, {
      onSuccess: () => {
        tell(`Role ${name} was removed`);
        close();
      },
      onError: (error) => {
        setRemoving(false);
        complain(`Role ${name} could not be removed`, error);
      },
    });
  return (
    <Modal opened onClose={close} title={title} size={760}>
      <Stack component="form" onSubmit={submit}>
        {save.error && <Reason what="Not saved" error={save.error} />}
        {still ? (
          <Facts
            facts={[
              ['For', role?.description || '–'],
              ['Users', role?.users ?? 0],
            ]}
          />
        ) : (
          <Group grow align="flex-start">
            <TextInput
              label="Name"
              required
              disabled={role !== undefined}
              value={name}
              onChange={(event) => setName(event.currentTarget.value)}
            />
            <TextInput
              label="For"
              value={description}
              onChange={(event) => setDescription(event.currentTarget.value)}
            />
          </Group>
        )}
        <GrantTable grants={grants} {...(still ? {} : { change: setGrants })} />
        {!still && (
          <Group justify="space-between">
            {role ? (
              <Button variant="subtle" color="red" onClick={() => setRemoving(true)}>
                Remove role
              </Button>
            ) : (
              <span />
            )}
            <Group gap="xs">
              <Button variant="default" onClick={close}>
                Cancel
              </Button>
              <Button type="submit" loading={save.isPending}>
                Save
              </Button>
            </Group>
          </Group>
        )}
      </Stack>
      <Confirm
        opened={removing}
        title={`Remove the role ${name}?`}
        verb="Remove"
        busy={removal.isPending}
        close={() => setRemoving(false)}
        confirm={remove}
      >
        A role that somebody has stays until it is taken from him.
      </Confirm>
    </Modal>
  );
}
