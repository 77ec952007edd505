import { Button, CopyButton, Group, Modal, Skeleton, Stack, Text } from '@mantine/core';
import { IconCheck, IconCopy } from './icons.ts';
import { useDeploymentLog } from '../api/deployments.ts';
import { Problem } from './problem.tsx';

interface DeviceLogProps {
  readonly deployment: string;
  readonly device: string;
  readonly name: string;
}

const levelOf = (line: string): string | undefined => {
  const level = /\b(error|fatal|panic|warning|warn)\b/i.exec(line.slice(0, 80))?.[1]?.toLowerCase();
  return level && (level.startsWith('warn') ? 'warning' : 'error');
};

/** What the device reported of its update, errors marked. */
export function DeviceLog({ deployment, device, name }: DeviceLogProps) {
  const { data, error, refetch } = useDeploymentLog(deployment, device);
  if (error) return <Problem what="The log could not be read" error={error} retry={refetch} />;
  if (data === undefined) return <Skeleton height={260} />;
  if (data === '') return <Text size="sm">The device has sent no log for this deployment.</Text>;
  return (
    <Stack gap="xs">
      <pre className="log" tabIndex={0} aria-label={`Log of ${name}`}>
        {data.split('\n').map((line, index) => (
          // A log only grows at its end.
          <span key={index} data-level={levelOf(line)}>
            {line}
            {'\n'}
          </span>
        ))}
      </pre>
      <Group justify="flex-end">
        <CopyButton value={data}>
          {({ copied, copy }) => (
            <Button
              size="compact-sm"
              variant="default"
              leftSection={copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
              onClick={copy}
            >
              {copied ? 'Copied' : 'Copy the log'}
            </Button>
          )}
        </CopyButton>
      </Group>
    </Stack>
  );
}

/** The log in a dialog; `log` undefined: closed. */
export function DeviceLogDialog(props: { readonly log: DeviceLogProps | undefined; readonly close: () => void }) {
  return (
    <Modal
      opened={props.log !== undefined}
      onClose={props.close}
      size="xl"
      title={props.log ? `Update log of ${props.log.name}` : ''}
    >
      {props.log && <DeviceLog {...props.log} />}
    </Modal>
  );
}
