import { Alert, Button, Group, Modal, MultiSelect, Radio, Select, Stack, Switch, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useMemo, useState, type FormEvent } from 'react';
import type { Release } from '#proto/http/deployments';
import { useCreateDeployment } from '../api/deployments.ts';
import { useDeviceCount } from '../api/devices.ts';
import { useAcceptedDevices, useInventories } from '../api/inventory.ts';
import { useReleases } from '../api/releases.ts';
import { useDenied } from '../api/users.ts';
import { counted } from '../format.ts';
import { deviceName } from '../device-name.ts';
import { attributeOf } from '../api/inventory.ts';
import { Reason } from './problem.tsx';

interface NewDeploymentProps {
  /** Devices to begin with; none: nothing was chosen yet. */
  readonly devices: readonly string[];
  readonly release: string | undefined;
  readonly close: () => void;
  readonly created: (id: string) => void;
}

const typesOf = (release: Release | undefined) =>
  new Set(release?.artifacts.flatMap((artifact) => artifact.device_types_compatible));

/** Which release goes to which devices. Opened from a device or a release it knows that already. */
export function NewDeploymentDialog({ devices, release, close, created }: NewDeploymentProps) {
  const denied = useDenied('deployments:manage');
  const [artifact, setArtifact] = useState<string | null>(release ?? null);
  const [target, setTarget] = useState<'some' | 'all'>(devices.length > 0 ? 'some' : 'all');
  const [chosen, setChosen] = useState<string[]>([...devices]);
  const [name, setName] = useState('');
  const [force, setForce] = useState(false);
  const [typed, setTyped] = useState('');
  const [text] = useDebouncedValue(typed, 200);
  const create = useCreateDeployment();

  const [releaseText, setReleaseText] = useState('');
  const [releaseSearch] = useDebouncedValue(releaseText === artifact ? '' : releaseText, 200);
  const releases = useReleases({ page: 1, perPage: 50, ...(releaseSearch ? { name: releaseSearch } : {}) }).data;
  const accepted = useDeviceCount('accepted').data;
  const found = useAcceptedDevices(text).data;
  const known = useInventories(chosen).data;

  const options = useMemo(() => {
    const all = new Map([...(known?.values() ?? []), ...(found ?? [])].map((device) => [device.id, device]));
    for (const id of chosen) if (!all.has(id)) all.set(id, { id, attributes: [], updated_ts: '' });
    return [...all.values()].map((device) => ({
      value: device.id,
      label: deviceName({ id: device.id, identity_data: identityOf(device.attributes) }, device),
    }));
  }, [known, found, chosen]);

  // Told before it is sent: a device that no artifact fits ends as "no artifact".
  const unfit = useMemo(() => {
    const types = typesOf(releases?.items.find((each) => each.name === artifact));
    if (target === 'all' || types.size === 0) return [];
    return chosen.filter((id) => {
      const type = attributeOf(known?.get(id), 'inventory', 'device_type');
      return type !== undefined && !types.has(type);
    });
  }, [releases, artifact, target, chosen, known]);

  const suggested = artifact
    ? `${artifact} to ${target === 'all' ? 'all devices' : counted(chosen.length, 'device')}`
    : '';
  const ready = artifact !== null && (target === 'all' ? (accepted ?? 0) > 0 : chosen.length > 0);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!ready) return;
    create.mutate(
      {
        name: (name.trim() || suggested).slice(0, 256),
        artifact_name: artifact,
        ...(target === 'all' ? { all_devices: true } : { devices: chosen }),
        ...(force ? { force_installation: true } : {}),
      },
      { onSuccess: created },
    );
  };
  return (
    <Modal opened onClose={close} title="New deployment" size="lg">
      <form onSubmit={submit}>
        <Stack gap="md">
          {denied && <Alert color="amber">{denied}</Alert>}
          <Select
            label="Release"
            placeholder={
              releases?.items.length === 0 && !releaseText ? 'No release was uploaded yet' : 'Choose a release'
            }
            searchable
            required
            data={(releases?.items ?? [])
              .map((each) => each.name)
              .concat(artifact && !releases?.items.some((each) => each.name === artifact) ? [artifact] : [])}
            value={artifact}
            onChange={setArtifact}
            searchValue={releaseText}
            onSearchChange={setReleaseText}
            openOnFocus={false}
            nothingFoundMessage="No release is named like that"
            data-autofocus={release ? undefined : true}
          />
          <Radio.Group label="Devices" value={target} onChange={(value) => setTarget(value)}>
            <Stack gap={8} mt={6}>
              <Radio value="some" label="These devices" />
              <Radio
                value="all"
                label={accepted === undefined ? 'All accepted devices' : `All ${counted(accepted, 'accepted device')}`}
              />
            </Stack>
          </Radio.Group>
          {target === 'some' && (
            <MultiSelect
              aria-label="Chosen devices"
              placeholder={chosen.length === 0 ? 'Type a name, an identity or part of the inventory' : ''}
              searchable
              clearable
              hidePickedOptions
              maxValues={1000}
              data={options}
              filter={({ options: all }) => all}
              value={chosen}
              onChange={setChosen}
              searchValue={typed}
              onSearchChange={setTyped}
              nothingFoundMessage="No accepted device matches"
              maxDropdownHeight={240}
            />
          )}
          {unfit.length > 0 && (
            <Alert color="amber" variant="light">
              The release has nothing for the type of {counted(unfit.length, 'device')} of these:{' '}
              {unfit.length === 1 ? 'it' : 'they'} will end as “No artifact”.
            </Alert>
          )}
          <TextInput
            label="Name"
            description="To find it again."
            placeholder={suggested}
            maxLength={256}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Switch
            label="Install again where it is installed already"
            checked={force}
            onChange={(event) => setForce(event.currentTarget.checked)}
          />
          {create.error && (
            <Alert color="red" variant="light" role="alert">
              <Reason what="It could not be created" error={create.error} />
            </Alert>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={close}>
              Cancel
            </Button>
            <Button type="submit" disabled={!ready || denied !== undefined} loading={create.isPending}>
              Deploy
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

const identityOf = (attributes: readonly { scope: string; name: string; value: unknown }[]) =>
  Object.fromEntries(
    attributes
      .filter(({ scope, name }) => scope === 'identity' && name !== 'id')
      .map(({ name, value }) => [name, value]),
  );
