import { Badge, Code, Text, Tooltip } from '@mantine/core';
import { IconClipboardList, IconLock } from '../parts/icons.ts';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useMemo } from 'react';
import type { AuditEntry } from '#proto/http/users';
import { useAudit } from '../api/audit.ts';
import { ApiFailure } from '../api/http.ts';
import { attributeOf, useInventories } from '../api/inventory.ts';
import { useMe } from '../api/users.ts';
import type { AuditSearch } from '../search.ts';
import { moment } from '../format.ts';
import { AuditExport, AuditFilters } from '../parts/audit-filters.tsx';
import { Empty } from '../parts/empty.tsx';
import { columnsOf, Listing, Pager, type Columns } from '../parts/listing.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';

const perPage = 50;
const column = columnsOf<AuditEntry>();
const capital = (word: string) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`.replaceAll('_', ' ');
const short = (id: string) => (/^[0-9a-f-]{36}$/i.test(id) ? id.slice(0, 8) : id);
const results = { ok: 'green', refused: 'amber', failed: 'red' } as const;

const plain = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));
const wordsOf = (content: Record<string, unknown> | undefined) =>
  Object.entries(content ?? {}).map(([key, value]) => `${key}: ${plain(value)}`);

/** `roles: ["support"] → ["admin"]`: what a change changed, and nothing that it left. */
function changesOf({ before, after }: AuditEntry): string {
  const keys = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  return [...keys]
    .filter((key) => JSON.stringify(before?.[key]) !== JSON.stringify(after?.[key]))
    .map((key) => `${key}: ${plain(before?.[key]) ?? '–'} → ${plain(after?.[key]) ?? '–'}`)
    .join(', ');
}

/** What an id is called, as far as this page knows. */
type NameOf = (id: string) => string | undefined;

const columnsWith = (nameOf: NameOf): Columns<AuditEntry> => [
  column.display({
    id: 'time',
    header: 'Time',
    meta: { width: 190 },
    cell: ({ row: { original } }) => <span className="num">{moment(original.time)}</span>,
  }),
  column.display({
    id: 'actor',
    header: 'Who',
    cell: ({
      row: {
        original: { actor },
      },
    }) => (
      <Tooltip label={`${actor.type} ${actor.id}`}>
        <span>{actor.name ?? nameOf(actor.id) ?? `${actor.type} ${short(actor.id)}`}</span>
      </Tooltip>
    ),
  }),
  column.display({ id: 'action', header: 'Did', cell: ({ row: { original } }) => capital(original.action) }),
  column.display({
    id: 'object',
    header: 'To',
    cell: ({
      row: {
        original: { object },
      },
    }) => (
      <Tooltip label={object.id}>
        <span>
          <Text span c="dimmed" size="sm">
            {object.type}
          </Text>{' '}
          {object.name ?? nameOf(object.id) ?? short(object.id)}
        </span>
      </Tooltip>
    ),
  }),
  column.display({
    id: 'result',
    header: 'Result',
    cell: ({ row: { original } }) => <Badge color={results[original.result]}>{capital(original.result)}</Badge>,
  }),
  column.display({
    id: 'address',
    header: 'From',
    cell: ({ row: { original } }) => <span className="mono">{original.address ?? '–'}</span>,
  }),
  column.display({
    id: 'details',
    header: 'Details',
    cell: ({ row: { original } }) => {
      const details = [changesOf(original), ...wordsOf(original.details)].filter(Boolean).join(', ');
      return (
        <Tooltip
          label={
            <>
              {details && <div>{details}</div>}
              <div>{original.code}</div>
              {original.user_agent && <div>{original.user_agent}</div>}
              {original.request_id && <div>request {original.request_id}</div>}
            </>
          }
        >
          <Code className="details">{details || '–'}</Code>
        </Tooltip>
      );
    },
  }),
];

export function AuditPage() {
  const { page = 1, ...filter } = useSearch({ from: '/inside/audit' });
  const navigate = useNavigate({ from: '/audit' });
  const { data, error, refetch } = useAudit({ page, perPage, ...filter });
  const { data: me } = useMe();
  const devices = useMemo(
    () => [...new Set(data?.items.filter(({ object }) => object.type === 'device').map(({ object }) => object.id))],
    [data],
  );
  const inventories = useInventories(devices).data;
  const columns = useMemo(() => {
    const names = new Map(me ? [[me.id, me.email]] : []);
    for (const { actor, object } of data?.items ?? [])
      for (const { id, name } of [actor, object]) if (name) names.set(id, name);
    return columnsWith((id) => names.get(id) ?? attributeOf(inventories?.get(id), 'inventory', 'hostname'));
  }, [data, me, inventories]);
  return (
    <Page
      title="Audit log"
      lead="Every change somebody made and every session, newest first. Nothing here can be altered."
      actions={<AuditExport filter={filter} />}
    >
      <AuditFilters filter={filter} change={(next) => void navigate({ search: next as AuditSearch })} />
      {error && !data ? (
        error instanceof ApiFailure && error.status === 403 ? (
          <Empty icon={<IconLock size={34} stroke={1.4} />} title="Your role may not read the audit log">
            An administrator can change that.
          </Empty>
        ) : (
          <Problem what="The audit log could not be read" error={error} retry={refetch} />
        )
      ) : (
        <Listing
          label="Audit log"
          columns={columns}
          rows={data?.items}
          rowId={({ id }) => String(id)}
          expect={12}
          empty={<Empty icon={<IconClipboardList size={34} stroke={1.4} />} title="Nothing of the kind was done" />}
          foot={
            data && (
              <Pager
                page={page}
                perPage={perPage}
                shown={data.items.length}
                total={data.total}
                more={data.more}
                go={(to) => void navigate({ search: to > 1 ? { ...filter, page: to } : filter })}
              />
            )
          }
        />
      )}
    </Page>
  );
}
