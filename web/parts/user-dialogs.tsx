// What is done to a user, each in front of the list of them.
import { Button, Group, Modal, MultiSelect, PasswordInput, Stack, Text, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import type { User } from '#proto/http/users';
import { useAddUser, useChangeUser, useFactorOff, useRemoveUser, useRoles } from '../api/people.ts';
import { useMe } from '../api/users.ts';
import { Confirm } from './confirm.tsx';
import { complain, Reason, tell } from './problem.tsx';

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

export function AddUser({ close }: { readonly close: () => void }) {
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

export function ChangeRoles({ user, close }: DialogProps) {
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

export function SetPassword({ user, close }: DialogProps) {
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

export function ResetFactor({ user, close }: DialogProps) {
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

export function RemoveUser({ user, close }: DialogProps) {
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
