import { Button, Group, Menu, NativeSelect, TextInput } from '@mantine/core';
import { auditActions } from '#proto/http/audit';
import { downloadAudit, type AuditFilter } from '../api/audit.ts';
import { IconDownload } from './icons.ts';

const words = Object.keys(auditActions).sort();
const capital = (word: string) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`.replaceAll('_', ' ');

interface Props {
  readonly filter: AuditFilter;
  readonly change: (filter: AuditFilter) => void;
}

/** What of the log is shown, and exported. */
export function AuditFilters({ filter, change }: Props) {
  const set = (key: keyof AuditFilter) => (event: { currentTarget: { value: string } }) => {
    const { [key]: _, ...others } = filter;
    const value = event.currentTarget.value.trim();
    change(value ? { ...others, [key]: value } : others);
  };
  return (
    <Group gap="xs" align="flex-end">
      <TextInput
        label="User"
        placeholder="email"
        w={190}
        defaultValue={filter.user ?? ''}
        onBlur={set('user')}
        onKeyDown={enter}
      />
      <NativeSelect
        label="Action"
        value={filter.action ?? ''}
        onChange={set('action')}
        data={[{ value: '', label: 'Any' }, ...words.map((value) => ({ value, label: capital(value) }))]}
      />
      <TextInput
        label="Object"
        placeholder="part of its name"
        w={170}
        defaultValue={filter.object ?? ''}
        onBlur={set('object')}
        onKeyDown={enter}
      />
      <NativeSelect
        label="Result"
        value={filter.result ?? ''}
        onChange={set('result')}
        data={[
          { value: '', label: 'Any' },
          { value: 'ok', label: 'Ok' },
          { value: 'refused', label: 'Refused' },
          { value: 'failed', label: 'Failed' },
        ]}
      />
      <TextInput type="date" label="From" value={filter.since ?? ''} onChange={set('since')} />
      <TextInput type="date" label="To" value={filter.until ?? ''} onChange={set('until')} />
    </Group>
  );
}

/** Enter is as good as leaving the field. */
const enter = (event: { key: string; currentTarget: { blur(): void } }) => {
  if (event.key === 'Enter') event.currentTarget.blur();
};

export function AuditExport({ filter }: { readonly filter: AuditFilter }) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button variant="default" leftSection={<IconDownload size={16} />}>
          Export
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => downloadAudit(filter, 'csv')}>CSV, for a spreadsheet</Menu.Item>
        <Menu.Item onClick={() => downloadAudit(filter, 'jsonl')}>JSON lines, for a program</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
