import { Stack, Text } from '@mantine/core';
import type { ReactNode } from 'react';

/** Nothing to show: why, and what to do about it. */
export function Empty(props: { readonly icon: ReactNode; readonly title: string; readonly children?: ReactNode }) {
  return (
    <Stack align="center" gap={6} ta="center" maw={520} mx="auto">
      <Text c="dimmed" component="div" aria-hidden>
        {props.icon}
      </Text>
      <Text fw={600}>{props.title}</Text>
      {props.children && (
        <Text size="sm" c="dimmed" component="div">
          {props.children}
        </Text>
      )}
    </Stack>
  );
}
