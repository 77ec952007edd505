import { Menu, SegmentedControl, Text, UnstyledButton, useMantineColorScheme } from '@mantine/core';
import { IconLogout, IconShieldLock, IconUserCircle } from './icons.ts';
import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { logout, useMe } from '../api/users.ts';

/** Who one is, how it looks, and the way out. */
export function UserMenu() {
  const { data: me } = useMe();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const client = useQueryClient();
  const navigate = useNavigate();
  const leave = async () => {
    // The token is gone here even if the server could not be told.
    await logout().catch(() => undefined);
    client.clear();
    await navigate({ to: '/login' });
  };
  return (
    <Menu position="right-end" width={250} shadow="md">
      <Menu.Target>
        <UnstyledButton className="rack-link rack-user" aria-label={`Account: ${me?.email ?? ''}`}>
          <IconUserCircle size={19} stroke={1.6} aria-hidden />
          <span className="label">{me?.email ?? ' '}</span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Signed in as</Menu.Label>
        <Text px="sm" size="sm" fw={600} truncate>
          {me?.email}
        </Text>
        <Text px="sm" pb={6} size="xs" c="dimmed">
          {me?.roles.length ? `Roles: ${me.roles.join(', ')}` : 'No role'}
        </Text>
        <Menu.Divider />
        <Menu.Label id="scheme">Appearance</Menu.Label>
        <SegmentedControl
          fullWidth
          size="xs"
          aria-labelledby="scheme"
          value={colorScheme}
          onChange={(value) => setColorScheme(value)}
          data={[
            { value: 'light', label: 'Light' },
            { value: 'dark', label: 'Dark' },
            { value: 'auto', label: 'System' },
          ]}
        />
        <Menu.Divider />
        <Menu.Item leftSection={<IconShieldLock size={16} />} onClick={() => void navigate({ to: '/security' })}>
          Security
        </Menu.Item>
        <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => void leave()}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
