import { Grid, Group, Skeleton, Stack, Text, TextInput, Title } from '@mantine/core';
import { IconSearch } from './icons.ts';
import { useMemo, useState } from 'react';
import { inventoryScopes, type Attribute, type Device, type InventoryDevice } from '#proto/http/devices';
import { Copyable } from './copy.tsx';
import { Facts } from './facts.tsx';
import { DeviceSign } from './status.tsx';
import { Ago } from './time.tsx';

const scopeWords: Record<Attribute['scope'], string> = {
  identity: 'Identity',
  inventory: 'Reported by the device',
  system: 'Kept by the server',
  monitor: 'Monitoring',
  tags: 'Tags',
};
const order = [
  'tags',
  'inventory',
  'identity',
  'monitor',
  'system',
] as const satisfies (typeof inventoryScopes)[number][];

const shown = ({ value }: Attribute): string => (Array.isArray(value) ? value.join(', ') : String(value));

interface OverviewProps {
  readonly device: Device | undefined;
  readonly inventory: InventoryDevice | undefined;
}

/** Who the device is, and all it has told of itself. */
export function DeviceOverview({ device, inventory }: OverviewProps) {
  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, lg: 4 }}>
        {device ? <Identity device={device} /> : <Skeleton height={280} />}
      </Grid.Col>
      <Grid.Col span={{ base: 12, lg: 8 }}>
        {inventory ? <Inventory inventory={inventory} /> : <Skeleton height={480} />}
      </Grid.Col>
    </Grid>
  );
}

function Identity({ device }: { readonly device: Device }) {
  return (
    <Stack className="panel" p="md" gap="sm">
      <Title order={2}>Identity</Title>
      <Facts
        facts={[
          ['Device id', <Copyable key="id" value={device.id} name="the device id" />],
          ...Object.entries(device.identity_data).map(
            ([key, value]) => [key, <Copyable key={key} value={String(value)} name={key} />] as const,
          ),
          ['First seen', <Ago key="first" time={device.created_ts} />],
          ['Last check-in', <Ago key="last" time={device.check_in_time} />],
        ]}
      />
      <Title order={2} mt="xs">
        {device.auth_sets.length === 1 ? 'Key' : 'Keys'}
      </Title>
      {device.auth_sets.length === 0 && (
        <Text size="sm" c="dimmed">
          None: every key was dismissed.
        </Text>
      )}
      {device.auth_sets.map((set) => (
        <Stack key={set.id} gap={4}>
          <Group justify="space-between">
            <DeviceSign status={set.status} />
            <Text size="xs" c="dimmed">
              asked <Ago time={set.ts} />
            </Text>
          </Group>
          <details className="key">
            <summary>Public key</summary>
            <pre className="log">{set.pubkey.trim()}</pre>
          </details>
        </Stack>
      ))}
    </Stack>
  );
}

function Inventory({ inventory }: { readonly inventory: InventoryDevice }) {
  const [filter, setFilter] = useState('');
  const groups = useMemo(() => {
    const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
    const hits = inventory.attributes.filter((each) => {
      const line = `${each.name} ${shown(each)}`.toLowerCase();
      return words.every((word) => line.includes(word));
    });
    return order
      .map((scope) => ({
        scope,
        attributes: hits
          .filter((each) => each.scope === scope)
          .sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true })),
      }))
      .filter(({ attributes }) => attributes.length > 0);
  }, [inventory, filter]);
  return (
    <Stack className="panel" gap={0}>
      <Group justify="space-between" p="md" pb="sm">
        <div>
          <Title order={2}>Inventory</Title>
          {inventory.updated_ts && (
            <Text size="xs" c="dimmed">
              updated <Ago time={inventory.updated_ts} />
            </Text>
          )}
        </div>
        <TextInput
          aria-label="Filter the inventory"
          placeholder="Filter"
          size="xs"
          leftSection={<IconSearch size={14} />}
          value={filter}
          onChange={(event) => setFilter(event.currentTarget.value)}
        />
      </Group>
      {groups.length === 0 && (
        <Text size="sm" c="dimmed" px="md" pb="md">
          {filter ? `Nothing matches “${filter}”.` : 'The device has not told anything of itself yet.'}
        </Text>
      )}
      {groups.map(({ scope, attributes }) => (
        <table key={scope} className="inventory">
          <caption>{scopeWords[scope]}</caption>
          <tbody>
            {attributes.map((attribute) => (
              <tr key={attribute.name}>
                <th scope="row">{attribute.name}</th>
                <td>{shown(attribute)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      ))}
    </Stack>
  );
}
