import { Checkbox, Group, Stack, TagsInput, Text } from '@mantine/core';
import { permissions, scopeKindOf, type Grant, type Permission } from '#proto/http/users';

const words: Readonly<Record<Permission, string>> = {
  'devices:read': 'See devices and whether they are online',
  'devices:manage': 'Accept, reject and remove devices, end sessions',
  'devices:configure': 'Configure devices',
  'inventory:read': 'See what devices report, and their groups',
  'inventory:manage': 'Tags of devices, and groups',
  'releases:read': 'See and download releases',
  'releases:manage': 'Upload, tag and delete releases',
  'deployments:read': 'See deployments and logs',
  'deployments:manage': 'Make and abort deployments',
  'sessions:terminal': 'Open terminals',
  'sessions:transfer': 'Copy files from and to devices',
  'sessions:forward': 'Forward ports',
  'sessions:read': 'See who is on which device',
  'users:read': 'See users and roles',
  'users:manage': 'Users and roles, up to one’s own rights',
  'audit:read': 'Read and export the audit log',
  'settings:manage': 'Settings of everybody, and the policy',
};

interface Props {
  readonly grants: readonly Grant[];
  /** Without it they are only looked at. */
  readonly change?: (grants: Grant[]) => void;
}

/** Each permission with a place of its own: a role that reads in one group and writes in another is two lines of it. */
export function GrantTable({ grants, change }: Props) {
  const of = (permission: Permission) => grants.find((grant) => grant.permission === permission);
  const set = (permission: Permission, grant: Grant | undefined) =>
    change?.([...grants.filter((each) => each.permission !== permission), ...(grant ? [grant] : [])]);
  const shown = change ? permissions : permissions.filter(of);
  return (
    <Stack gap={6} role="group" aria-label="Rights">
      {shown.length === 0 && <Text c="dimmed">It allows nothing.</Text>}
      {shown.map((permission) => {
        const grant = of(permission);
        const kind = scopeKindOf(permission);
        const places = grant?.groups ?? grant?.tags ?? [];
        return (
          <Group key={permission} justify="space-between" wrap="nowrap" mih={36}>
            <Checkbox
              label={
                <>
                  {words[permission]}{' '}
                  <Text span size="xs" c="dimmed" className="mono">
                    {permission}
                  </Text>
                </>
              }
              checked={grant !== undefined}
              disabled={!change}
              onChange={(event) => set(permission, event.currentTarget.checked ? { permission } : undefined)}
            />
            {grant && kind && (change || places.length > 0) && (
              <TagsInput
                w={280}
                size="xs"
                aria-label={`Where ${permission} holds`}
                placeholder={
                  places.length > 0 ? '' : kind === 'groups' ? 'everywhere; or groups' : 'everywhere; or tags'
                }
                disabled={!change}
                value={[...places]}
                onChange={(names) => set(permission, names.length > 0 ? { permission, [kind]: names } : { permission })}
              />
            )}
            {grant && !change && places.length === 0 && (
              <Text size="sm" c="dimmed">
                everywhere
              </Text>
            )}
          </Group>
        );
      })}
    </Stack>
  );
}
