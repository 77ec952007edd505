import { Alert, Anchor, Button, Code, Group, Text } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { IconAlertTriangle } from './icons.ts';
import { useState } from 'react';
import { messageOf } from '#base/errors';
import { ApiFailure } from '../api/http.ts';

const sentence = (text: string) => {
  const line = text.trim();
  return `${line.charAt(0).toUpperCase()}${line.slice(1)}${/[.!?]$/.test(line) ? '' : '.'}`;
};

/** What went wrong in one line; the id under which the server's log knows it, on demand. */
export function Reason({ what, error }: { readonly what?: string | undefined; readonly error: unknown }) {
  const [open, setOpen] = useState(false);
  const id = error instanceof ApiFailure ? error.requestId : undefined;
  const text = sentence(messageOf(error));
  return (
    <Text size="sm" component="div">
      {what ? `${what}: ${text}` : text}{' '}
      {id && !open && (
        <Anchor component="button" type="button" size="sm" c="dimmed" onClick={() => setOpen(true)}>
          Details
        </Anchor>
      )}
      {id && open && (
        <Text size="xs" c="dimmed" mt={4} component="div">
          Request <Code>{id}</Code> in the server's log
        </Text>
      )}
    </Text>
  );
}

/** In place of what could not be shown. */
export function Problem(props: { readonly what: string; readonly error: unknown; readonly retry?: () => unknown }) {
  return (
    <Alert color="red" variant="light" icon={<IconAlertTriangle size={18} />} role="alert">
      <Group justify="space-between" align="flex-start" wrap="nowrap">
        <Reason what={props.what} error={props.error} />
        {props.retry && (
          <Button size="compact-sm" variant="default" onClick={() => void props.retry?.()}>
            Try again
          </Button>
        )}
      </Group>
    </Alert>
  );
}

/** Tells of a failed action, wherever one is. */
export function complain(what: string, error: unknown): void {
  notifications.show({
    color: 'red',
    title: what,
    message: <Reason error={error} />,
    autoClose: 10_000,
    withBorder: true,
  });
}

export function tell(message: string): void {
  notifications.show({ color: 'petrol', message, autoClose: 4000, withBorder: true });
}
