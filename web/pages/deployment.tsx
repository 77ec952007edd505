import { Button, Group, SegmentedControl, Skeleton, Stack, Text } from '@mantine/core';
import { IconArrowLeft, IconFileText, IconPlayerStop, IconRocketOff } from '../parts/icons.ts';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import type { Deployment, DeploymentDevice, DeviceDeploymentStatus } from '#proto/http/deployments';
import { useAbortDeployment, useDeployment, useDeploymentDevices } from '../api/deployments.ts';
import { ApiFailure } from '../api/http.ts';
import { useInventories } from '../api/inventory.ts';
import { counted, lasted, moment } from '../format.ts';
import { deviceName } from '../device-name.ts';
import { Confirm } from '../parts/confirm.tsx';
import { DeviceLogDialog } from '../parts/device-log.tsx';
import { Empty } from '../parts/empty.tsx';
import { GuardedButton } from '../parts/guard.tsx';
import { columnsOf, Listing, Pager, type Columns } from '../parts/listing.tsx';
import { Page } from '../parts/page.tsx';
import { complain, Problem, tell } from '../parts/problem.tsx';
import { DeploymentBar, tally } from '../parts/progress-bar.tsx';
import { DeploymentSign, PartSign, partWords } from '../parts/status.tsx';
import { Ago } from '../parts/time.tsx';

const perPage = 20;
interface Row {
  readonly part: DeploymentDevice;
  readonly name: string;
}
const column = columnsOf<Row>();

export function DeploymentPage() {
  const { deploymentId: id } = useParams({ from: '/inside/deployments/$deploymentId' });
  const { data: deployment, error, refetch } = useDeployment(id);
  const abortion = useAbortDeployment();
  const [aborting, setAborting] = useState(false);
  const back = (
    <Link to="/deployments" className="back">
      <IconArrowLeft size={14} aria-hidden /> Deployments
    </Link>
  );
  if (error && !deployment)
    return (
      <Page title="Deployment" before={back}>
        {error instanceof ApiFailure && (error.status === 404 || error.status === 400) ? (
          <Empty icon={<IconRocketOff size={34} stroke={1.4} />} title="There is no such deployment" />
        ) : (
          <Problem what="The deployment could not be read" error={error} retry={refetch} />
        )}
      </Page>
    );
  const abort = () =>
    abortion.mutate(id, {
      onSuccess: () => tell(`${deployment?.name ?? 'The deployment'} was aborted`),
      onError: (failure) => complain('It could not be aborted', failure),
      onSettled: () => setAborting(false),
    });
  return (
    <Page
      title={deployment?.name ?? 'Deployment'}
      before={back}
      lead={
        deployment ? (
          <Group gap={10} mt={4}>
            <DeploymentSign status={deployment.status} />
            <Link to="/releases/$releaseName" params={{ releaseName: deployment.artifact_name }}>
              {deployment.artifact_name}
            </Link>
            <span>
              created <Ago time={deployment.created} />
            </span>
            {deployment.finished && <span>took {lasted(deployment.created, deployment.finished)}</span>}
          </Group>
        ) : (
          <Skeleton height={22} width={260} mt={4} />
        )
      }
      actions={
        deployment &&
        deployment.status !== 'finished' && (
          <GuardedButton
            needs="deployments:manage"
            variant="default"
            leftSection={<IconPlayerStop size={16} />}
            onClick={() => setAborting(true)}
          >
            Abort
          </GuardedButton>
        )
      }
    >
      {deployment ? <Counters deployment={deployment} /> : <Skeleton height={98} radius="md" />}
      <Devices id={id} />
      <Confirm
        opened={aborting}
        title={`Abort ${deployment?.name ?? ''}?`}
        verb="Abort"
        busy={abortion.isPending}
        close={() => setAborting(false)}
        confirm={abort}
      >
        Devices that have not begun will not get it; those at work roll back to what they had. It cannot be taken up
        again.
      </Confirm>
    </Page>
  );
}

/** The counters as a row of figures, those that are zero left out, over the bar. */
function Counters({ deployment }: { readonly deployment: Deployment }) {
  const { total } = tally(deployment);
  const { status } = deployment.statistics;
  const figures = (Object.keys(partWords) as DeviceDeploymentStatus[]).filter((each) => (status[each] ?? 0) > 0);
  return (
    <Stack className="panel" p="md" gap="sm">
      <Group gap={36} mih={50} aria-live="polite">
        <div className="figure">
          <b>{total.toLocaleString('en')}</b>
          <span>{counted(total, 'device').replace(/^\S+ /, '')}</span>
        </div>
        {figures.map((each) => (
          <div key={each} className="figure" data-color={partWords[each].color}>
            <b>{(status[each] ?? 0).toLocaleString('en')}</b>
            <span>{partWords[each].label}</span>
          </div>
        ))}
      </Group>
      <DeploymentBar deployment={deployment} size={10} />
    </Stack>
  );
}

function Devices({ id }: { readonly id: string }) {
  const search = useSearch({ from: '/inside/deployments/$deploymentId' });
  const navigate = useNavigate({ from: '/deployments/$deploymentId' });
  const page = search.page ?? 1;
  const { data, error, refetch } = useDeploymentDevices(id, {
    page,
    perPage,
    ...(search.show ? { status: search.show } : {}),
  });
  const ids = useMemo(() => data?.items.map((part) => part.id) ?? [], [data]);
  const inventories = useInventories(ids).data;
  const rows = useMemo(
    () =>
      data?.items.map((part): Row => {
        const known = inventories?.get(part.id);
        const identity = Object.fromEntries(
          (known?.attributes ?? []).filter(({ scope }) => scope === 'identity').map(({ name, value }) => [name, value]),
        );
        return { part, name: deviceName({ id: part.id, identity_data: identity }, known) };
      }),
    [data, inventories],
  );
  const showLog = (device: string | undefined) =>
    void navigate({
      search: ({ log: _, ...rest }) => (device === undefined ? rest : { ...rest, log: device }),
      replace: true,
    });
  const columns = useMemo<Columns<Row>>(
    () => [
      column.display({
        id: 'device',
        header: 'Device',
        cell: ({ row: { original } }) => (
          <Link className="row-link" to="/devices/$deviceId" params={{ deviceId: original.part.id }}>
            {original.name}
          </Link>
        ),
      }),
      column.display({
        id: 'status',
        header: 'Status',
        cell: ({ row: { original } }) => (
          <Group gap={8} wrap="nowrap">
            <PartSign status={original.part.status} />
            {original.part.substate && (
              <Text span size="xs" c="dimmed">
                {original.part.substate}
              </Text>
            )}
          </Group>
        ),
      }),
      column.display({
        id: 'started',
        header: 'Started',
        cell: ({ row: { original } }) => (original.part.started ? <Ago time={original.part.started} /> : '–'),
      }),
      column.display({
        id: 'took',
        header: 'Took',
        cell: ({ row: { original } }) => (
          <span className="num" title={moment(original.part.finished)}>
            {lasted(original.part.started ?? original.part.created, original.part.finished) || '–'}
          </span>
        ),
      }),
      column.display({
        id: 'log',
        header: () => <span className="hidden">Log</span>,
        meta: { right: true, acts: true },
        cell: ({ row: { original } }) =>
          original.part.log ? (
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconFileText size={14} />}
              aria-label={`Log of ${original.name}`}
              onClick={() => showLog(original.part.id)}
            >
              Log
            </Button>
          ) : null,
      }),
    ],
    [],
  );
  const shownLog = search.log ? { deployment: id, device: search.log } : undefined;
  return (
    <>
      <SegmentedControl
        aria-label="Show devices"
        style={{ alignSelf: 'flex-start' }}
        value={search.show ?? 'all'}
        onChange={(value) =>
          void navigate({ search: value === 'all' ? {} : { show: value as 'active' }, replace: true })
        }
        data={[
          { value: 'all', label: 'All' },
          { value: 'active', label: 'At work' },
          { value: 'success', label: 'Succeeded' },
          { value: 'failure', label: 'Failed' },
        ]}
      />
      {error && !data ? (
        <Problem what="Its devices could not be listed" error={error} retry={refetch} />
      ) : (
        <Listing
          label="Devices of this deployment"
          columns={columns}
          rows={rows}
          rowId={({ part }) => part.id}
          open={({ part }) => void navigate({ to: '/devices/$deviceId', params: { deviceId: part.id } })}
          expect={5}
          empty={
            <Empty icon={<IconRocketOff size={34} stroke={1.4} />} title="No device here">
              {search.show
                ? 'No device of this deployment is in that state now.'
                : 'A device shows up here when it has asked for its update.'}
            </Empty>
          }
          foot={
            data && (
              <Pager
                page={page}
                perPage={perPage}
                shown={data.items.length}
                total={data.total}
                more={data.more}
                go={(to) =>
                  void navigate({ search: ({ page: _, ...rest }) => (to > 1 ? { ...rest, page: to } : rest) })
                }
              />
            )
          }
        />
      )}
      <DeviceLogDialog
        log={
          shownLog && {
            ...shownLog,
            name: rows?.find(({ part }) => part.id === shownLog.device)?.name ?? shownLog.device,
          }
        }
        close={() => showLog(undefined)}
      />
    </>
  );
}
