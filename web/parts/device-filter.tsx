import { Button, CloseButton, Group, Pill, Popover, Select, Stack } from '@mantine/core';
import { useState, type FormEvent } from 'react';
import type { FilterTerm } from '#proto/http/devices';
import { nested, useGroups } from '../api/groups.ts';
import { draftOf, noTerm, sentenceOf, termOf, type Draft } from '../filter-terms.ts';
import { IconFilter } from './icons.ts';
import { TermEditor } from './term-editor.tsx';

interface DeviceFilterProps {
  readonly group: string | undefined;
  readonly terms: readonly FilterTerm[];
  readonly change: (to: { group: string | undefined; terms: readonly FilterTerm[] }) => void;
}

/** Narrows a list of devices to a group, and by what must hold of them. */
export function DeviceFilter({ group, terms, change }: DeviceFilterProps) {
  const groups = useGroups().data;
  const [opened, open] = useState(false);
  const [drafts, setDrafts] = useState<Draft[]>([]);
  const ready = drafts.flatMap((draft) => termOf(draft) ?? []);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    open(false);
    change({ group, terms: ready });
  };
  return (
    <Group gap="xs">
      <Select
        aria-label="Group"
        placeholder="Any group"
        searchable
        clearable
        w={200}
        data={nested(groups ?? []).map(({ name, depth }) => ({
          value: name,
          label: `${'\u2003'.repeat(depth)}${name}`,
        }))}
        value={group ?? null}
        onChange={(name) => change({ group: name ?? undefined, terms })}
        nothingFoundMessage="No group is named like that"
      />
      <Popover opened={opened} onChange={open} width={640} position="bottom-start" withArrow trapFocus>
        <Popover.Target>
          <Button
            variant="default"
            leftSection={<IconFilter size={15} />}
            aria-expanded={opened}
            onClick={() => {
              setDrafts(terms.length > 0 ? terms.map(draftOf) : [noTerm]);
              open(!opened);
            }}
          >
            Filter
          </Button>
        </Popover.Target>
        <Popover.Dropdown>
          <Stack component="form" onSubmit={submit} gap="sm">
            <TermEditor terms={drafts} change={setDrafts} />
            <Group justify="flex-end" gap="xs">
              <Button variant="default" onClick={() => open(false)}>
                Cancel
              </Button>
              <Button type="submit" disabled={ready.length < drafts.length}>
                Show these
              </Button>
            </Group>
          </Stack>
        </Popover.Dropdown>
      </Popover>
      {terms.map((term, at) => (
        <Pill
          key={at}
          size="md"
          withRemoveButton
          removeButtonProps={{ 'aria-label': `Remove ${sentenceOf(term)}`, 'aria-hidden': false, tabIndex: 0 }}
          onRemove={() => change({ group, terms: terms.filter((_, index) => index !== at) })}
        >
          {sentenceOf(term)}
        </Pill>
      ))}
      {(group !== undefined || terms.length > 0) && (
        <CloseButton aria-label="Show all devices" onClick={() => change({ group: undefined, terms: [] })} />
      )}
    </Group>
  );
}
