import {
  Alert,
  Button,
  Group,
  NativeSelect,
  NumberInput,
  Paper,
  PasswordInput,
  Stack,
  Switch,
  Text,
  TextInput,
  Title,
} from '@mantine/core';
import { useState, type FormEvent, type ReactNode } from 'react';
import { useChangePassword, useMakeToken, usePolicy, useSetPolicy } from '../api/people.ts';
import { useDenied, useMe } from '../api/users.ts';
import { Copyable } from '../parts/copy.tsx';
import { LoginList } from '../parts/login-list.tsx';
import { Page } from '../parts/page.tsx';
import { complain, Reason, tell } from '../parts/problem.tsx';
import { SecondFactorCard } from '../parts/second-factor-card.tsx';

const day = 86_400;
const lifetimes = [
  { value: String(30 * day), label: '30 days' },
  { value: String(90 * day), label: '90 days' },
  { value: String(365 * day), label: 'a year' },
  { value: '0', label: 'until it is removed' },
];

function Card({
  title,
  lead,
  children,
}: {
  readonly title: string;
  readonly lead?: string;
  readonly children: ReactNode;
}) {
  return (
    <Paper className="panel" p="lg" component="section" aria-label={title}>
      <Stack gap="sm">
        <div>
          <Title order={2} fz={16}>
            {title}
          </Title>
          {lead && (
            <Text size="sm" c="dimmed">
              {lead}
            </Text>
          )}
        </div>
        {children}
      </Stack>
    </Paper>
  );
}

export function SecurityPage() {
  const { data: me } = useMe();
  const noPolicy = useDenied('settings:manage');
  const stuck = me?.must_enrol === true;
  return (
    <Page title="Security" lead={me?.email}>
      {stuck && (
        <Alert color="amber" variant="light">
          This server wants a second factor of everybody. Set yours up here to go on.
        </Alert>
      )}
      <Card
        title="Second factor"
        lead="A code from your telephone beside the password: a stolen password alone is of no use."
      >
        <SecondFactorCard />
      </Card>
      {!stuck && (
        <>
          <Card title="Password" lead="A new one ends your other logins and all access tokens.">
            <PasswordForm />
          </Card>
          <Card title="Where you are logged in">
            <LoginList only="session" />
          </Card>
          <Card title="Access tokens" lead="For scripts: a token may do what you may do. It is shown once.">
            <TokenForm />
            <LoginList only="access" />
          </Card>
          {!noPolicy && (
            <Card title="For everybody">
              <PolicyForm />
            </Card>
          )}
        </>
      )}
    </Page>
  );
}

function PasswordForm() {
  const change = useChangePassword();
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    change.mutate(
      { password, current_password: current },
      {
        onSuccess: () => {
          tell('Your password is changed');
          setCurrent('');
          setPassword('');
        },
      },
    );
  };
  return (
    <Stack component="form" onSubmit={submit} gap="xs">
      {change.error && <Reason what="Not changed" error={change.error} />}
      <Group align="flex-end">
        <PasswordInput
          label="Password now"
          w={240}
          autoComplete="current-password"
          required
          value={current}
          onChange={(event) => setCurrent(event.currentTarget.value)}
        />
        <PasswordInput
          label="New password"
          w={240}
          autoComplete="new-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <Button type="submit" variant="default" loading={change.isPending}>
          Change
        </Button>
      </Group>
    </Stack>
  );
}

function TokenForm() {
  const make = useMakeToken();
  const [name, setName] = useState('');
  const [life, setLife] = useState(String(90 * day));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate({ name: name.trim(), expires_in: Number(life) }, { onSuccess: () => setName('') });
  };
  return (
    <Stack component="form" onSubmit={submit} gap="xs">
      {make.error && <Reason what="No token was made" error={make.error} />}
      <Group align="flex-end">
        <TextInput
          label="Name"
          w={240}
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <NativeSelect
          label="Good for"
          value={life}
          onChange={(event) => setLife(event.currentTarget.value)}
          data={lifetimes}
        />
        <Button type="submit" variant="default" loading={make.isPending}>
          Make token
        </Button>
      </Group>
      {make.data && (
        <Alert color="green" variant="light" title="Copy it now: it is not shown again">
          <Copyable value={make.data} name="the token" />
        </Alert>
      )}
    </Stack>
  );
}

function PolicyForm() {
  const { data } = usePolicy();
  const set = useSetPolicy();
  const [days, setDays] = useState<number>();
  if (!data) return null;
  const save = (change: Partial<typeof data>) =>
    set.mutate(
      { ...data, ...change },
      {
        onSuccess: () => tell('Saved'),
        onError: (error) => complain('Not saved', error),
      },
    );
  return (
    <Stack gap="sm">
      <Switch
        label="A second factor is wanted of everybody"
        description="Whoever has none can do nothing but set it up at his next request. Access tokens go on working."
        checked={data.second_factor === 'required'}
        disabled={set.isPending}
        onChange={(event) => save({ second_factor: event.currentTarget.checked ? 'required' : 'optional' })}
      />
      <Group align="flex-end">
        <NumberInput
          label="Days that the audit log goes back"
          description="0: for ever. What is older is removed."
          w={260}
          min={0}
          max={36_500}
          allowDecimal={false}
          value={days ?? data.audit_days}
          onChange={(value) => setDays(Number(value))}
        />
        {days !== undefined && days !== data.audit_days && (
          <Button variant="default" loading={set.isPending} onClick={() => save({ audit_days: days })}>
            Save
          </Button>
        )}
      </Group>
    </Stack>
  );
}
