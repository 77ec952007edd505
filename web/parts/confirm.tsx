import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';

interface ConfirmProps {
  readonly opened: boolean;
  readonly title: string;
  readonly verb: string;
  readonly children: ReactNode;
  readonly busy: boolean;
  readonly close: () => void;
  readonly confirm: () => void;
}

/** Before what cannot be undone: what will happen, and the verb on the button. */
export function Confirm(props: ConfirmProps) {
  return (
    <Modal opened={props.opened} onClose={props.close} title={props.title}>
      <Stack gap="lg">
        <Text size="sm" component="div">
          {props.children}
        </Text>
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={props.close} data-autofocus>
            Cancel
          </Button>
          <Button color="red" loading={props.busy} onClick={props.confirm}>
            {props.verb}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
