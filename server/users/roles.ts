import { permissions, type Permission } from '#proto/http/users';

const reading = permissions.filter((permission) => permission.endsWith(':read'));
const without = (list: readonly Permission[], ...left: Permission[]): Permission[] =>
  list.filter((p) => !left.includes(p));

/** Built-in roles. A user's permissions are the union of his roles'; a user without a role may do nothing. */
export const roles: Readonly<Record<string, readonly Permission[]>> = {
  admin: permissions,
  operator: [
    ...without(reading, 'users:read', 'audit:read'),
    'devices:manage',
    'devices:configure',
    'inventory:manage',
    'releases:manage',
    'deployments:manage',
  ],
  support: [
    ...without(reading, 'users:read', 'audit:read'),
    'sessions:terminal',
    'sessions:transfer',
    'sessions:forward',
  ],
  'read-only': without(reading, 'users:read', 'audit:read'),
  ci: ['devices:read', 'inventory:read', 'releases:read', 'releases:manage', 'deployments:read', 'deployments:manage'],
};

export const permissionsOf = (names: readonly string[]): ReadonlySet<Permission> =>
  new Set(names.flatMap((name) => (Object.hasOwn(roles, name) ? (roles[name] ?? []) : [])));
