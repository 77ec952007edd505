import { Alert, Badge, Button, Code, Group, Image, Stack, Text, TextInput } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import { useConfirmFactor, useEnrolment, useFactor, useFactorOff, useRenewCodes } from '../api/people.ts';
import { Copyable } from './copy.tsx';
import { Problem, Reason, tell } from './problem.tsx';

/** Whether the second factor is on, and the way to the other state. */
export function SecondFactorCard() {
  const { data, error, refetch } = useFactor();
  const [codes, setCodes] = useState<readonly string[]>();
  // Here, because what is below is gone when they have done their work.
  const confirm = useConfirmFactor();
  const off = useFactorOff();
  if (error && !data) return <Problem what="It could not be read" error={error} retry={refetch} />;
  if (!data) return null;
  return (
    <Stack gap="sm">
      {codes && <RecoveryCodes codes={codes} done={() => setCodes(undefined)} />}
      {data.status === 'on' ? (
        <IsOn left={data.recovery_codes_left} shown={setCodes} off={off} />
      ) : (
        <SetUp shown={setCodes} confirm={confirm} />
      )}
    </Stack>
  );
}

interface Shown {
  readonly shown: (codes: readonly string[]) => void;
}

function SetUp({ shown, confirm }: Shown & { readonly confirm: ReturnType<typeof useConfirmFactor> }) {
  const enrolment = useEnrolment();
  const [code, setCode] = useState('');
  const submit = (event: FormEvent) => {
    event.preventDefault();
    confirm.mutate(code, { onSuccess: ({ recovery_codes }) => shown(recovery_codes), onError: () => setCode('') });
  };
  if (!enrolment.data)
    return (
      <Group>
        <Badge color="gray">Off</Badge>
        <Button loading={enrolment.isPending} onClick={() => enrolment.mutate()}>
          Set up
        </Button>
        {enrolment.error && <Reason error={enrolment.error} />}
      </Group>
    );
  return (
    <Group align="flex-start" gap="xl">
      <Image src={`data:image/png;base64,${enrolment.data.qr}`} w={200} alt="QR code for your authenticator" />
      <Stack component="form" onSubmit={submit} gap="sm" maw={420}>
        <Text size="sm">Scan this with an authenticator on your telephone. Or type its key there by hand:</Text>
        <Copyable value={enrolment.data.secret} name="the key" />
        {confirm.error && <Reason error={confirm.error} />}
        <TextInput
          label="Code that it shows now"
          autoComplete="one-time-code"
          inputMode="numeric"
          required
          withAsterisk={false}
          w={200}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        <Group>
          <Button type="submit" loading={confirm.isPending}>
            Switch on
          </Button>
        </Group>
      </Stack>
    </Group>
  );
}

function IsOn({ left, shown, off }: Shown & { readonly left: number; readonly off: ReturnType<typeof useFactorOff> }) {
  const renew = useRenewCodes();
  const [code, setCode] = useState('');
  const failed = off.error ?? renew.error;
  const clear = { onSettled: () => setCode('') };
  return (
    <Stack gap="sm">
      <Group>
        <Badge color="green">On</Badge>
        <Text size="sm" c={left < 3 ? 'red' : 'dimmed'}>
          {left === 1 ? '1 recovery code is left' : `${left} recovery codes are left`}
        </Text>
      </Group>
      {failed && <Reason error={failed} />}
      <Group align="flex-end">
        <TextInput
          label="Code, to change something here"
          autoComplete="one-time-code"
          w={220}
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        <Button
          variant="default"
          disabled={!code}
          loading={renew.isPending}
          onClick={() => renew.mutate(code, { ...clear, onSuccess: ({ recovery_codes }) => shown(recovery_codes) })}
        >
          New recovery codes
        </Button>
        <Button
          variant="default"
          color="red"
          disabled={!code}
          loading={off.isPending}
          onClick={() =>
            off.mutate({ token2fa: code }, { ...clear, onSuccess: () => tell('Your second factor is off') })
          }
        >
          Switch off
        </Button>
      </Group>
    </Stack>
  );
}

function RecoveryCodes({ codes, done }: { readonly codes: readonly string[]; readonly done: () => void }) {
  return (
    <Alert color="amber" variant="light" title="Your recovery codes">
      <Stack gap="sm">
        <Text size="sm">
          Keep them where you find them without your telephone. Each lets you in once. They are not shown again.
        </Text>
        <Code block>{codes.join('\n')}</Code>
        <Group>
          <Button size="compact-sm" onClick={done}>
            I have them
          </Button>
        </Group>
      </Stack>
    </Alert>
  );
}
