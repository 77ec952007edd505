import { Button } from '@mantine/core';
import { IconFileText, IconRocketOff } from './icons.ts';
import { Link, useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useDeviceDeployments, type DeviceDeployment } from '../api/deployments.ts';
import { lasted } from '../format.ts';
import { DeviceLogDialog } from './device-log.tsx';
import { Empty } from './empty.tsx';
import { columnsOf, Listing, Pager, type Columns } from './listing.tsx';
import { Problem } from './problem.tsx';
import { PartSign } from './status.tsx';
import { Ago } from './time.tsx';

const column = columnsOf<DeviceDeployment>();

/** What this device was sent, newest first, and how that went. */
export function DeviceDeployments({ id, name }: { readonly id: string; readonly name: string }) {
  const navigate = useNavigate();
  const [page, setPage] = useState(1);
  const [log, setLog] = useState<string>();
  const { data, error, refetch } = useDeviceDeployments(id, page);
  const columns = useMemo<Columns<DeviceDeployment>>(
    () => [
      column.display({
        id: 'name',
        header: 'Deployment',
        cell: ({ row: { original } }) => (
          <Link className="row-link" to="/deployments/$deploymentId" params={{ deploymentId: original.deployment.id }}>
            {original.deployment.name}
          </Link>
        ),
      }),
      column.display({
        id: 'release',
        header: 'Release',
        cell: ({ row: { original } }) => original.deployment.artifact_name,
      }),
      column.display({
        id: 'status',
        header: 'This device',
        cell: ({ row: { original } }) => (
          <PartSign status={original.device.status} substate={original.device.substate} />
        ),
      }),
      column.display({
        id: 'when',
        header: 'Created',
        cell: ({ row: { original } }) => <Ago time={original.deployment.created} />,
      }),
      column.display({
        id: 'took',
        header: 'Took',
        cell: ({ row: { original } }) => lasted(original.device.started, original.device.finished) || '–',
      }),
      column.display({
        id: 'log',
        header: () => <span className="hidden">Log</span>,
        meta: { right: true },
        cell: ({ row: { original } }) =>
          original.device.log ? (
            <Button
              size="compact-sm"
              variant="default"
              leftSection={<IconFileText size={14} />}
              onClick={() => setLog(original.deployment.id)}
            >
              Log
            </Button>
          ) : null,
      }),
    ],
    [],
  );
  if (error && !data) return <Problem what="The deployments could not be listed" error={error} retry={refetch} />;
  return (
    <>
      <Listing
        label={`Deployments of ${name}`}
        columns={columns}
        rows={data?.items}
        rowId={({ deployment }) => deployment.id}
        open={({ deployment }) =>
          void navigate({ to: '/deployments/$deploymentId', params: { deploymentId: deployment.id } })
        }
        expect={4}
        empty={
          <Empty icon={<IconRocketOff size={34} stroke={1.4} />} title="Nothing was deployed to this device yet">
            Use Deploy above to send it a release.
          </Empty>
        }
        foot={
          data &&
          (data.more || page > 1) && (
            <Pager
              page={page}
              perPage={20}
              shown={data.items.length}
              total={data.total}
              more={data.more}
              go={setPage}
            />
          )
        }
      />
      <DeviceLogDialog
        log={log === undefined ? undefined : { deployment: log, device: id, name }}
        close={() => setLog(undefined)}
      />
    </>
  );
}
