import { Anchor, Button, Code, Skeleton, Stack } from '@mantine/core';
import { IconMapOff, IconPlugConnectedX } from './icons.ts';
import { Link } from '@tanstack/react-router';
import { messageOf } from '#base/errors';
import { Empty } from './empty.tsx';

/** While a page's code is on its way. */
export function Waiting() {
  return (
    <Stack p={32} gap="lg" aria-busy>
      <Skeleton height={28} width={220} />
      <Skeleton height={320} radius="md" />
    </Stack>
  );
}

export function Missing() {
  return (
    <Stack p={60}>
      <Empty icon={<IconMapOff size={34} stroke={1.4} />} title="There is no such page">
        The address may be old or cut short. <Link to="/devices">Go to the devices</Link>
      </Empty>
    </Stack>
  );
}

/** A fault of ours, or code of a page that a newer server no longer has. */
export function Crash({ error }: { readonly error: unknown }) {
  return (
    <Stack p={60}>
      <Empty icon={<IconPlugConnectedX size={34} stroke={1.4} />} title="This page could not be shown">
        <Stack gap="xs" align="center">
          <Code>{messageOf(error).slice(0, 300)}</Code>
          <Button variant="default" onClick={() => location.reload()}>
            Load it again
          </Button>
          <Anchor href="/devices" size="sm">
            Go to the devices
          </Anchor>
        </Stack>
      </Empty>
    </Stack>
  );
}
