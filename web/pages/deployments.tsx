import { SegmentedControl, Text, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconRocket, IconSearch } from '../parts/icons.ts';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { Suspense, lazy, useState } from 'react';
import type { Deployment, DeploymentStatus } from '#proto/http/deployments';
import { useDeployments } from '../api/deployments.ts';
import { Empty } from '../parts/empty.tsx';
import { GuardedButton } from '../parts/guard.tsx';
import { columnsOf, Listing, Pager, type Columns } from '../parts/listing.tsx';
import { Page } from '../parts/page.tsx';
import { Problem } from '../parts/problem.tsx';
import { DeploymentBar, tally } from '../parts/progress-bar.tsx';
import { DeploymentSign } from '../parts/status.tsx';
import { Ago } from '../parts/time.tsx';

const NewDeploymentDialog = lazy(async () => ({
  default: (await import('../parts/new-deployment.tsx')).NewDeploymentDialog,
}));

const perPage = 20;
const column = columnsOf<Deployment>();
const columns: Columns<Deployment> = [
  column.display({
    id: 'name',
    header: 'Deployment',
    cell: ({ row: { original } }) => (
      <Link className="row-link" to="/deployments/$deploymentId" params={{ deploymentId: original.id }}>
        {original.name}
      </Link>
    ),
  }),
  column.display({ id: 'release', header: 'Release', cell: ({ row: { original } }) => original.artifact_name }),
  column.display({
    id: 'status',
    header: 'Status',
    meta: { width: 120 },
    cell: ({ row: { original } }) => <DeploymentSign status={original.status} />,
  }),
  column.display({
    id: 'progress',
    header: 'Devices',
    meta: { width: '28%' },
    cell: ({ row: { original } }) => <DeploymentBar deployment={original} />,
  }),
  column.display({
    id: 'failed',
    header: 'Failed',
    meta: { right: true, width: 80 },
    cell: ({ row: { original } }) => {
      const { failed } = tally(original);
      return (
        <Text span size="sm" {...(failed > 0 ? { c: 'red', fw: 600 } : { c: 'dimmed' })}>
          {failed}
        </Text>
      );
    },
  }),
  column.display({
    id: 'created',
    header: 'Created',
    meta: { width: 140 },
    cell: ({ row: { original } }) => <Ago time={original.created} />,
  }),
];

export function DeploymentsPage() {
  const search = useSearch({ from: '/inside/deployments' });
  const navigate = useNavigate({ from: '/deployments' });
  const page = search.page ?? 1;
  const [text, setText] = useState(search.q ?? '');
  const show = (what: {
    readonly status?: DeploymentStatus | undefined;
    readonly q?: string | undefined;
    readonly page?: number;
  }) =>
    void navigate({
      search: {
        ...(what.status ? { status: what.status } : {}),
        ...(what.q ? { q: what.q } : {}),
        ...(what.page && what.page > 1 ? { page: what.page } : {}),
      },
      replace: true,
    });
  const find = useDebouncedCallback((q: string) => show({ status: search.status, q }), 250);
  const { data, error, refetch } = useDeployments({
    page,
    perPage,
    ...(search.status ? { status: search.status } : {}),
    ...(search.q ? { search: search.q } : {}),
  });
  const close = () => show({ status: search.status, q: search.q, page });
  return (
    <Page
      title="Deployments"
      actions={
        <>
          <TextInput
            aria-label="Search deployments"
            placeholder="Search by name or release"
            leftSection={<IconSearch size={16} />}
            w={230}
            value={text}
            onChange={(event) => {
              setText(event.currentTarget.value);
              find(event.currentTarget.value.trim());
            }}
          />
          <GuardedButton
            needs="deployments:manage"
            leftSection={<IconRocket size={16} />}
            onClick={() => void navigate({ search: (before) => ({ ...before, new: '' }) })}
          >
            New deployment
          </GuardedButton>
        </>
      }
    >
      <SegmentedControl
        aria-label="Show"
        style={{ alignSelf: 'flex-start' }}
        value={search.status ?? 'all'}
        onChange={(value) => show({ status: value === 'all' ? undefined : value, q: search.q })}
        data={[
          { value: 'all', label: 'All' },
          { value: 'pending', label: 'Waiting' },
          { value: 'inprogress', label: 'In progress' },
          { value: 'finished', label: 'Finished' },
        ]}
      />
      {error && !data ? (
        <Problem what="The deployments could not be listed" error={error} retry={refetch} />
      ) : (
        <Listing
          label="Deployments"
          columns={columns}
          rows={data?.items}
          rowId={({ id }) => id}
          open={({ id }) => void navigate({ to: '/deployments/$deploymentId', params: { deploymentId: id } })}
          expect={6}
          empty={
            search.q || search.status ? (
              <Empty icon={<IconRocket size={34} stroke={1.4} />} title="No deployment is like that">
                Look under All, or search for less.
              </Empty>
            ) : (
              <Empty icon={<IconRocket size={34} stroke={1.4} />} title="Nothing was deployed yet">
                A deployment sends one release to some devices or to all of them. You need a{' '}
                <Link to="/releases">release</Link> and an accepted <Link to="/devices">device</Link>.
              </Empty>
            )
          }
          foot={
            data && (
              <Pager
                page={page}
                perPage={perPage}
                shown={data.items.length}
                total={data.total}
                more={data.more}
                go={(to) => show({ status: search.status, q: search.q, page: to })}
              />
            )
          }
        />
      )}
      {search.new !== undefined && (
        <Suspense>
          <NewDeploymentDialog
            devices={search.new.split(',').filter(Boolean)}
            release={search.release}
            close={close}
            created={(id) => void navigate({ to: '/deployments/$deploymentId', params: { deploymentId: id } })}
          />
        </Suspense>
      )}
    </Page>
  );
}
