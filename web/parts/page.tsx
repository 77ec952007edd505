import { Box, Group, Stack, Text, Title } from '@mantine/core';
import { useDocumentTitle } from '@mantine/hooks';
import type { ReactNode } from 'react';

interface PageProps {
  readonly title: string;
  /** What the browser's tab says, if not the title. */
  readonly tab?: string;
  readonly lead?: ReactNode;
  readonly before?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

/** The top of every page: one heading, what it is about, what one can do. */
export function Page({ title, tab, lead, before, actions, children }: PageProps) {
  useDocumentTitle(`${tab ?? title} · Patchbay`);
  return (
    <Box maw={1440} mx="auto" px={{ base: 'md', md: 32 }} py={{ base: 'md', md: 24 }}>
      <Stack gap={18}>
        <Box>
          {before}
          <Group justify="space-between" align="center" gap="sm" mih={36}>
            <Box miw={0}>
              <Title order={1}>{title}</Title>
              {lead && (
                <Text c="dimmed" size="sm" component="div">
                  {lead}
                </Text>
              )}
            </Box>
            {actions && <Group gap="xs">{actions}</Group>}
          </Group>
        </Box>
        {children}
      </Stack>
    </Box>
  );
}
