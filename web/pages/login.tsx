import { Alert, Button, Checkbox, Paper, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useRouter, useSearch } from '@tanstack/react-router';
import { useState, type FormEvent } from 'react';
import { ApiFailure } from '../api/http.ts';
import { login } from '../api/users.ts';
import { Mark } from '../parts/brand.tsx';
import { Reason } from '../parts/problem.tsx';

export function LoginPage() {
  useDocumentTitle('Log in · Patchbay');
  const { from, expired } = useSearch({ from: '/login' });
  const router = useRouter();
  const client = useQueryClient();
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [wantsCode, setWantsCode] = useState(false);
  const [remember, setRemember] = useState(true);
  const entry = useMutation({
    mutationFn: () => login(email, password, wantsCode ? code : '', remember),
    onError: (error) => {
      const factor = factorOf(error);
      setWantsCode(factor !== undefined);
      setCode('');
    },
    onSuccess: async () => {
      client.clear();
      router.history.replace(from ?? '/devices');
      await router.invalidate();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    entry.mutate();
  };
  const factor = factorOf(entry.error);
  const wrong = entry.error instanceof ApiFailure && entry.error.status === 401;
  return (
    <main className="gate">
      <Paper component="form" onSubmit={submit} className="panel" p={32} w={380} maw="calc(100vw - 32px)">
        <Stack gap="md">
          <Stack gap={10} align="flex-start">
            <Mark size={40} />
            <div>
              <Title order={1}>Log in to Patchbay</Title>
              <Text size="sm" c="dimmed">
                Updates for your devices, and a line to each.
              </Text>
            </div>
          </Stack>
          {expired && !entry.error && (
            <Alert color="amber" variant="light">
              <Text size="sm">Your login has ended. Log in to go on where you were.</Text>
            </Alert>
          )}
          {factor === 'wanted' && (
            <Alert color="petrol" variant="light">
              <Text size="sm">Now the code that your authenticator shows. A recovery code will do, too.</Text>
            </Alert>
          )}
          {entry.error && factor !== 'wanted' && (
            <Alert color="red" variant="light" role="alert">
              {wrong ? (
                <Text size="sm">
                  {factor === 'wrong'
                    ? 'That code is wrong, or it was used already: wait for the next one.'
                    : 'The email address or the password is wrong.'}
                </Text>
              ) : (
                <Reason what="Could not log in" error={entry.error} />
              )}
            </Alert>
          )}
          <TextInput
            label="Email"
            type="email"
            name="email"
            autoComplete="username"
            autoFocus
            required
            withAsterisk={false}
            value={email}
            onChange={(event) => setEmail(event.currentTarget.value)}
          />
          <PasswordInput
            label="Password"
            name="password"
            autoComplete="current-password"
            required
            withAsterisk={false}
            value={password}
            onChange={(event) => setPassword(event.currentTarget.value)}
          />
          {wantsCode && (
            <TextInput
              label="Code"
              name="code"
              autoComplete="one-time-code"
              autoFocus
              required
              withAsterisk={false}
              value={code}
              onChange={(event) => setCode(event.currentTarget.value)}
            />
          )}
          <Checkbox
            label="Keep me logged in on this computer"
            checked={remember}
            onChange={(event) => setRemember(event.currentTarget.checked)}
          />
          <Button type="submit" fullWidth loading={entry.isPending}>
            Log in
          </Button>
        </Stack>
      </Paper>
    </main>
  );
}

/** Undefined: the second factor is not what was wrong. */
const factorOf = (error: unknown): unknown =>
  error instanceof ApiFailure && error.status === 401 ? error.said['second_factor'] : undefined;
