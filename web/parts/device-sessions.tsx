import { Button, Group, Stack, Title } from '@mantine/core';
import { lazy, Suspense, useMemo, useState } from 'react';
import { useNavigate } from '@tanstack/react-router';
import type { RecordingInfo, SessionInfo } from '#proto/http/sessions';
import { useWebAddons } from '../addons.ts';
import {
  readRecording,
  recordingsPerPage,
  useEndSession,
  useOpenSessions,
  useRecordings,
} from '../api/open-sessions.ts';
import { useDenied, useMe } from '../api/users.ts';
import { Confirm } from './confirm.tsx';
import { Empty } from './empty.tsx';
import { GuardedButton } from './guard.tsx';
import { IconDownload, IconPlayerPlay, IconPlayerStop, IconTerminal2 } from './icons.ts';
import { columnsOf, Listing, Pager, type Columns } from './listing.tsx';
import { complain, Problem, tell } from './problem.tsx';
import { Ago } from './time.tsx';

const RecordingPlayer = lazy(async () => ({ default: (await import('./recording-player.tsx')).RecordingPlayer }));
const column = columnsOf<SessionInfo>();
const taped = columnsOf<RecordingInfo>();
const roles = { owner: 'has it', types: 'types too', watches: 'watches' } as const;

/** Who is on this device now, and what earlier terminals showed. */
export function DeviceSessions({ id, name }: { readonly id: string; readonly name: string }) {
  return (
    <Stack gap="xl">
      <Open id={id} name={name} />
      <Recordings id={id} name={name} />
    </Stack>
  );
}

function Open({ id, name }: { readonly id: string; readonly name: string }) {
  const { data, error, refetch } = useOpenSessions(id);
  const { data: me } = useMe();
  const addons = useWebAddons();
  const navigate = useNavigate({ from: '/devices/$deviceId' });
  const end = useEndSession();
  const [ending, setEnding] = useState<SessionInfo>();
  const columns = useMemo<Columns<SessionInfo>>(
    () => [
      column.display({ id: 'who', header: 'User', cell: ({ row: { original } }) => original.user_name }),
      column.display({
        id: 'kind',
        header: 'For',
        cell: ({ row: { original } }) =>
          addons.find((addon) => addon.id === original.kind)?.title ?? original.kind ?? '–',
      }),
      column.display({
        id: 'since',
        header: 'Since',
        cell: ({ row: { original } }) => <Ago time={original.opened_ts} />,
      }),
      column.display({
        id: 'idle',
        header: 'Last input',
        cell: ({ row: { original } }) => <Ago time={original.active_ts} />,
      }),
      column.display({ id: 'state', header: 'State', cell: ({ row: { original } }) => stateOf(original) }),
      column.display({
        id: 'do',
        header: () => <span className="hidden">Actions</span>,
        meta: { right: true, acts: true },
        cell: ({ row: { original } }) => (
          <Group gap="xs" justify="flex-end" wrap="nowrap">
            {original.kind === 'terminal' && original.user_id !== me?.id && (
              <GuardedButton
                needs="sessions:terminal"
                size="compact-sm"
                variant="default"
                leftSection={<IconTerminal2 size={14} />}
                onClick={() => void navigate({ search: { tab: 'terminal', join: original.id } })}
              >
                Watch
              </GuardedButton>
            )}
            <GuardedButton
              needs="devices:manage"
              size="compact-sm"
              variant="default"
              leftSection={<IconPlayerStop size={14} />}
              onClick={() => setEnding(original)}
            >
              End
            </GuardedButton>
          </Group>
        ),
      }),
    ],
    [addons, me?.id, navigate],
  );
  if (error && !data) return <Problem what="The sessions could not be listed" error={error} retry={refetch} />;
  return (
    <>
      <Listing
        label={`Sessions with ${name}`}
        columns={columns}
        rows={data}
        rowId={({ id }) => id}
        expect={2}
        empty={
          <Empty icon={<IconTerminal2 size={34} stroke={1.4} />} title="Nobody is on this device now">
            Terminals, forwarded ports and file transfers are listed here while they are open.
          </Empty>
        }
      />
      <Confirm
        opened={ending !== undefined}
        title="End this session?"
        verb="End it"
        busy={end.isPending}
        close={() => setEnding(undefined)}
        confirm={() =>
          end.mutate(ending!.id, {
            onSuccess: () => tell('The session was ended'),
            onError: (error) => complain('The session could not be ended', error),
            onSettled: () => setEnding(undefined),
          })
        }
      >
        {ending?.user_name} is told, and whatever runs in it on {name} ends.
      </Confirm>
    </>
  );
}

function stateOf({ waits_for, guests, recorded }: SessionInfo): string {
  const others = guests.map(({ name, role }) => `${name} ${roles[role]}`);
  const open = waits_for === null ? 'open' : `waits for the ${waits_for}`;
  return [open, ...(recorded ? ['recorded'] : []), ...others].join(', ');
}

function Recordings({ id, name }: { readonly id: string; readonly name: string }) {
  const denied = useDenied('audit:read');
  const [page, setPage] = useState(1);
  const [playing, setPlaying] = useState<RecordingInfo>();
  const { data, error, refetch } = useRecordings(id, page, !denied);
  const columns = useMemo<Columns<RecordingInfo>>(
    () => [
      taped.display({ id: 'who', header: 'User', cell: ({ row: { original } }) => original.user_name }),
      taped.display({
        id: 'began',
        header: 'Began',
        cell: ({ row: { original } }) => <Ago time={original.started_ts} />,
      }),
      taped.display({ id: 'state', header: 'State', cell: ({ row: { original } }) => original.state }),
      taped.display({
        id: 'do',
        header: () => <span className="hidden">Actions</span>,
        meta: { right: true, acts: true },
        cell: ({ row: { original } }) => (
          <Group gap="xs" justify="flex-end" wrap="nowrap">
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconPlayerPlay size={14} />}
              onClick={() => setPlaying(original)}
            >
              Play
            </Button>
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconDownload size={14} />}
              onClick={() =>
                void save(original).catch((error: unknown) => complain('The recording could not be saved', error))
              }
            >
              Save
            </Button>
          </Group>
        ),
      }),
    ],
    [],
  );
  // Without any there may be no recording here at all: a heading for nothing only asks a question.
  if (denied || (data?.items.length === 0 && page === 1)) return null;
  if (error && !data) return <Problem what="The recordings could not be listed" error={error} retry={refetch} />;
  return (
    <div>
      <Title order={3} size="h5" mb="sm">
        Recordings
      </Title>
      <Listing
        label={`Recordings of ${name}`}
        columns={columns}
        rows={data?.items}
        rowId={({ id }) => id}
        expect={2}
        empty={null}
        foot={
          data &&
          (data.more || page > 1) && (
            <Pager
              page={page}
              perPage={recordingsPerPage}
              shown={data.items.length}
              total={data.total}
              more={data.more}
              go={setPage}
            />
          )
        }
      />
      {playing && (
        <Suspense fallback={null}>
          <RecordingPlayer recording={playing} close={() => setPlaying(undefined)} />
        </Suspense>
      )}
    </div>
  );
}

async function save({ id }: RecordingInfo): Promise<void> {
  const lines = await readRecording(id, new AbortController().signal);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([`${lines.join('\n')}\n`], { type: 'application/x-asciicast' }));
  link.download = `${id}.cast`;
  link.click();
  URL.revokeObjectURL(link.href);
}
