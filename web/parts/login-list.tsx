import { Badge, Button, Group, Stack, Text } from '@mantine/core';
import { useMemo } from 'react';
import type { Login } from '#proto/http/users';
import { useEndLogin, useLogins } from '../api/people.ts';
import { Empty } from './empty.tsx';
import { IconKey } from './icons.ts';
import { columnsOf, Listing, type Columns } from './listing.tsx';
import { complain, Problem, tell } from './problem.tsx';
import { Ago } from './time.tsx';

const column = columnsOf<Login>();
const nameOf = ({ kind, name, client }: Login) => (kind === 'access' ? `Token ${name ?? ''}` : client);

const columnsWith = (end: (login: Login) => void, busy: boolean): Columns<Login> => [
  column.display({
    id: 'client',
    header: 'With',
    cell: ({ row: { original } }) => (
      <Group gap={8} wrap="nowrap" title={original.user_agent}>
        {nameOf(original)}
        {original.current && <Badge color="green">This one</Badge>}
      </Group>
    ),
  }),
  column.display({
    id: 'address',
    header: 'From',
    cell: ({ row: { original } }) => <span className="mono">{original.address ?? '–'}</span>,
  }),
  column.display({
    id: 'created',
    header: 'Since',
    cell: ({ row: { original } }) => <Ago time={original.created_ts} />,
  }),
  column.display({
    id: 'used',
    header: 'Last used',
    cell: ({ row: { original } }) => <Ago time={original.last_used_ts} />,
  }),
  column.display({
    id: 'end',
    header: '',
    meta: { right: true, acts: true },
    cell: ({ row: { original } }) =>
      !original.current && (
        <Button
          size="compact-sm"
          variant="default"
          disabled={busy}
          aria-label={`End ${nameOf(original)} since ${original.created_ts}`}
          onClick={() => end(original)}
        >
          End
        </Button>
      ),
  }),
];

/** Logins (and, if wanted, access tokens) of a user, or one's own. */
export function LoginList({ userId, only }: { readonly userId?: string; readonly only?: Login['kind'] }) {
  const { data, error, refetch } = useLogins(userId);
  const ending = useEndLogin(userId);
  const { mutate, isPending } = ending;
  const rows = data?.filter(({ kind }) => only === undefined || kind === only);
  const columns = useMemo(
    () =>
      columnsWith(
        (login) =>
          mutate(login.id, {
            onSuccess: () => tell(`${nameOf(login)} ended`),
            onError: (failure) => complain('That login could not be ended', failure),
          }),
        isPending,
      ),
    [mutate, isPending],
  );
  const others = rows?.filter(({ current }) => !current).length ?? 0;
  if (error && !data) return <Problem what="The logins could not be read" error={error} retry={refetch} />;
  return (
    <Stack gap="sm">
      <Listing
        label={only === 'access' ? 'Access tokens' : 'Logins'}
        columns={columns}
        rows={rows}
        rowId={({ id }) => id}
        expect={2}
        empty={
          <Empty
            icon={<IconKey size={30} stroke={1.4} />}
            title={only === 'access' ? 'No access tokens' : 'No logins'}
          />
        }
      />
      {only !== 'access' && others > 1 && (
        <Group justify="flex-end">
          <Text size="sm" c="dimmed">
            Something here that you do not know?
          </Text>
          <Button
            variant="default"
            color="red"
            loading={isPending}
            onClick={() => mutate(undefined, { onSuccess: () => tell('All other logins ended') })}
          >
            End all others
          </Button>
        </Group>
      )}
    </Stack>
  );
}
