import { ActionIcon, CopyButton, Group, Text, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from './icons.ts';

/** A value that one may want elsewhere, such as an id. */
export function Copyable({ value, name }: { readonly value: string; readonly name: string }) {
  return (
    <Group gap={4} wrap="nowrap" miw={0}>
      <Text span className="mono" style={{ overflowWrap: 'anywhere' }}>
        {value}
      </Text>
      <CopyButton value={value}>
        {({ copied, copy }) => (
          <Tooltip label={copied ? 'Copied' : `Copy ${name}`}>
            <ActionIcon size="sm" variant="subtle" color="gray" aria-label={`Copy ${name}`} onClick={copy}>
              {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
            </ActionIcon>
          </Tooltip>
        )}
      </CopyButton>
    </Group>
  );
}
