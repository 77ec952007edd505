import { ActionIcon, Badge, Menu, Modal, Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { User } from '#proto/http/users';
import { useUsers } from '../api/people.ts';
import { useDenied } from '../api/users.ts';
import { Empty } from '../parts/empty.tsx';
import { GuardedButton } from '../parts/guard.tsx';
import { IconDots, IconPlus, IconUsers } from '../parts/icons.ts';
import { columnsOf, Listing, type Columns } from '../parts/listing.tsx';
import { LoginList } from '../parts/login-list.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { Ago } from '../parts/time.tsx';
import { AddUser, ChangeRoles, RemoveUser, ResetFactor, SetPassword } from '../parts/user-dialogs.tsx';

const column = columnsOf<User>();
type Task = 'roles' | 'password' | 'logins' | 'factor' | 'remove';
interface Chosen {
  readonly user: User;
  readonly task: Task;
}

const columnsWith = (choose: (chosen: Chosen) => void, may: boolean): Columns<User> => [
  column.display({ id: 'email', header: 'Email', cell: ({ row: { original } }) => <b>{original.email}</b> }),
  column.display({
    id: 'roles',
    header: 'Roles',
    cell: ({ row: { original } }) => original.roles.join(', ') || <Text c="dimmed">none</Text>,
  }),
  column.display({
    id: 'factor',
    header: 'Second factor',
    cell: ({ row: { original } }) =>
      original.second_factor ? <Badge color="green">On</Badge> : <Badge color="gray">Off</Badge>,
  }),
  column.display({
    id: 'login',
    header: 'Last login',
    cell: ({ row: { original } }) => <Ago time={original.login_ts} />,
  }),
  column.display({
    id: 'more',
    header: '',
    meta: { right: true, acts: true, width: 60 },
    cell: ({ row: { original } }) => (
      <Menu position="bottom-end">
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" aria-label={`Actions for ${original.email}`}>
            <IconDots size={18} />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => choose({ user: original, task: 'logins' })}>Logins</Menu.Item>
          {may && (
            <>
              <Menu.Item onClick={() => choose({ user: original, task: 'roles' })}>Change roles</Menu.Item>
              <Menu.Item onClick={() => choose({ user: original, task: 'password' })}>Set password</Menu.Item>
              {original.second_factor && (
                <Menu.Item onClick={() => choose({ user: original, task: 'factor' })}>Reset second factor</Menu.Item>
              )}
              <Menu.Item color="red" onClick={() => choose({ user: original, task: 'remove' })}>
                Remove
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
    ),
  }),
];

export function UsersPage() {
  const { data, error, refetch } = useUsers();
  const may = useDenied('users:manage') === undefined;
  const [adding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<Chosen>();
  const columns = useMemo(() => columnsWith(setChosen, may), [may]);
  const close = () => setChosen(undefined);
  return (
    <Page
      title="Users"
      lead={
        <>
          Who may come in. What each may do is said by <Link to="/roles">roles</Link>.
        </>
      }
      actions={
        <GuardedButton needs="users:manage" leftSection={<IconPlus size={16} />} onClick={() => setAdding(true)}>
          Add user
        </GuardedButton>
      }
    >
      {error && !data ? (
        <Problem what="The users could not be read" error={error} retry={refetch} />
      ) : (
        <Listing
          label="Users"
          columns={columns}
          rows={data}
          rowId={({ id }) => id}
          expect={4}
          empty={<Empty icon={<IconUsers size={34} stroke={1.4} />} title="No users" />}
        />
      )}
      {adding && <AddUser close={() => setAdding(false)} />}
      {chosen?.task === 'roles' && <ChangeRoles user={chosen.user} close={close} />}
      {chosen?.task === 'password' && <SetPassword user={chosen.user} close={close} />}
      {chosen?.task === 'logins' && (
        <Modal opened onClose={close} title={`Logins of ${chosen.user.email}`} size="xl">
          <LoginList userId={chosen.user.id} />
        </Modal>
      )}
      {chosen?.task === 'factor' && <ResetFactor user={chosen.user} close={close} />}
      {chosen?.task === 'remove' && <RemoveUser user={chosen.user} close={close} />}
    </Page>
  );
}
