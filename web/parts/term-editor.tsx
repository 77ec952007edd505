import { ActionIcon, Button, Group, Select, Stack, TextInput } from '@mantine/core';
import { noTerm, questions, scopes, type Draft } from '../filter-terms.ts';
import { IconPlus, IconTrash } from './icons.ts';

interface TermEditorProps {
  readonly terms: readonly Draft[];
  readonly change: (terms: Draft[]) => void;
}

/** A choice outside of a popover would close it. */
const inside = { withinPortal: false };

const presence = [
  { value: '', label: 'yes' },
  { value: 'no', label: 'no' },
];

/** What must hold of a device, a line each; all of them together. */
export function TermEditor({ terms, change }: TermEditorProps) {
  const set = (at: number, with_: Partial<Draft>) =>
    change(terms.map((term, index) => (index === at ? { ...term, ...with_ } : term)));
  return (
    <Stack gap={8} role="group" aria-label="Conditions">
      {terms.map((term, at) => (
        <Group key={at} gap={6} wrap="nowrap" align="flex-end">
          <Select
            aria-label="Scope"
            w={112}
            allowDeselect={false}
            comboboxProps={inside}
            data={[...scopes]}
            value={term.scope}
            onChange={(scope) => set(at, { scope: scope ?? 'inventory' })}
          />
          <TextInput
            aria-label="Attribute"
            placeholder="Attribute"
            style={{ flex: 1 }}
            value={term.attribute}
            onChange={(event) => set(at, { attribute: event.currentTarget.value })}
          />
          <Select
            aria-label="Question"
            w={132}
            allowDeselect={false}
            comboboxProps={inside}
            data={questions.map(({ type, label }) => ({ value: type, label }))}
            value={term.type}
            onChange={(type) => set(at, { type: type ?? '$eq', ...(type === '$exists' ? { text: '' } : {}) })}
          />
          {term.type === '$exists' ? (
            <Select
              aria-label="Value"
              style={{ flex: 1 }}
              allowDeselect={false}
              comboboxProps={inside}
              data={presence}
              value={term.text}
              onChange={(text) => set(at, { text: text ?? '' })}
            />
          ) : (
            <TextInput
              aria-label="Value"
              placeholder={term.type === '$in' || term.type === '$nin' ? 'a, b, c' : 'Value'}
              style={{ flex: 1 }}
              value={term.text}
              onChange={(event) => set(at, { text: event.currentTarget.value })}
            />
          )}
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label="Remove this condition"
            onClick={() => change(terms.filter((_, index) => index !== at))}
          >
            <IconTrash size={16} />
          </ActionIcon>
        </Group>
      ))}
      <Group>
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconPlus size={14} />}
          onClick={() => change([...terms, noTerm])}
        >
          Add a condition
        </Button>
      </Group>
    </Stack>
  );
}
