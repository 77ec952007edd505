import {
  ActionIcon,
  Badge,
  Button,
  Group,
  Menu,
  Modal,
  MultiSelect,
  PasswordInput,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { useMemo, useState, type FormEvent } from 'react';
import type { User } from '#proto/http/users';
import { useAddUser, useChangeUser, useFactorOff, useRemoveUser, useRoles, useUsers } from '../api/people.ts';
import { useDenied, useMe } from '../api/users.ts';
import { Confirm } from '../parts/confirm.tsx';
import { Empty } from '../parts/empty.tsx';
import { GuardedButton } from '../parts/guard.tsx';
import { IconDots, IconPlus, IconUsers } from '../parts/icons.ts';
import { columnsOf, Listing, type Columns } from '../parts/listing.tsx';
import { LoginList } from '../parts/login-list.tsx';
import { Page } from '../parts/page.tsx';
import { complain, Problem, Reason, tell } from '../parts/problem.tsx';
import { Ago } from '../parts/time.tsx';

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
    meta: { right: true, width: 60 },
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

function RolePicker({ value, change }: { readonly value: string[]; readonly change: (roles: string[]) => void }) {
  const { data = [] } = useRoles();
  const picked = data
    .filter(({ name }) => value.includes(name))
    .map(({ name, description }) => `${name}: ${description}`);
  return (
    <MultiSelect
      label="Roles"
      description={picked.join('; ') || 'without a role one may do nothing'}
      data={data.map(({ name }) => name)}
      value={value}
      onChange={change}
      searchable
    />
  );
}

interface DialogProps {
  readonly user: User;
  readonly close: () => void;
}

function AddUser({ close }: { readonly close: () => void }) {
  const add = useAddUser();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [roles, setRoles] = useState<string[]>(['read-only']);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    add.mutate(
      { email: email.trim(), password, roles },
      {
        onSuccess: () => {
          tell(`${email.trim()} may log in now`);
          close();
        },
      },
    );
  };
  return (
    <Modal opened onClose={close} title="Add a user">
      <Stack component="form" onSubmit={submit}>
        {add.error && <Reason what="Not added" error={add.error} />}
        <TextInput
          label="Email"
          type="email"
          required
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
        />
        <PasswordInput
          label="Password"
          description="8 characters or more; he can change it under Security"
          autoComplete="new-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <RolePicker value={roles} change={setRoles} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button type="submit" loading={add.isPending}>
            Add
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function ChangeRoles({ user, close }: DialogProps) {
  const change = useChangeUser();
  const { data: me } = useMe();
  const [roles, setRoles] = useState([...user.roles]);
  const save = () =>
    change.mutate(
      { id: user.id, roles },
      {
        onSuccess: () => {
          tell(`Roles of ${user.email} changed`);
          close();
        },
      },
    );
  return (
    <Modal opened onClose={close} title={`Roles of ${user.email}`}>
      <Stack>
        {change.error && <Reason what="Not changed" error={change.error} />}
        <RolePicker value={roles} change={setRoles} />
        <Text size="sm" c="dimmed">
          What {me?.id === user.id ? 'you have' : 'he has'} open and may no longer do ends at once.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Cancel
          </Button>
          <Button loading={change.isPending} onClick={save}>
            Save
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function SetPassword({ user, close }: DialogProps) {
  const change = useChangeUser();
  const [password, setPassword] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate(
      { id: user.id, password },
      {
        onSuccess: () => {
          tell(`Password of ${user.email} set`);
          close();
        },
      },
    );
  };
  return (
    <Modal opened onClose={close} title={`Password of ${user.email}`}>
      <Stack component="form" onSubmit={submit}>
        {change.error && <Reason what="Not set" error={change.error} />}
        <PasswordInput
          label="New password"
          description="All logins and access tokens of this user end"
          autoComplete="new-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Group justify="flex-end">
          <Button type="submit" loading={change.isPending}>
            Set password
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}

function ResetFactor({ user, close }: DialogProps) {
  const off = useFactorOff();
  const confirm = () =>
    off.mutate(
      { id: user.id },
      {
        onSuccess: () => {
          tell(`The second factor of ${user.email} is off`);
          close();
        },
        onError: (error) => complain('The second factor could not be reset', error),
      },
    );
  return (
    <Confirm
      opened
      title={`Reset the second factor of ${user.email}?`}
      verb="Reset"
      busy={off.isPending}
      close={close}
      confirm={confirm}
    >
      Until a new one is set up, the password alone lets this user in. Do it when the device that showed the codes is
      lost.
    </Confirm>
  );
}

function RemoveUser({ user, close }: DialogProps) {
  const removal = useRemoveUser();
  const confirm = () =>
    removal.mutate(user.id, {
      onSuccess: () => {
        tell(`${user.email} was removed`);
        close();
      },
      onError: (error) => complain(`${user.email} could not be removed`, error),
    });
  return (
    <Confirm
      opened
      title={`Remove ${user.email}?`}
      verb="Remove"
      busy={removal.isPending}
      close={close}
      confirm={confirm}
    >
      All that this user has open ends at once, access tokens of scripts too. What he did stays in the audit log.
    </Confirm>
  );
}
