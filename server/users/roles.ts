import { permissions, type Grant, type Permission } from '#proto/http/users';

const reading = permissions.filter((permission) => permission.endsWith(':read'));
const without = (list: readonly Permission[], ...left: Permission[]): Permission[] =>
  list.filter((p) => !left.includes(p));

interface BuiltIn {
  readonly description: string;
  readonly permissions: readonly Permission[];
}

/** Roles that come with the server. They hold everywhere; what is to hold in some groups only is a role of one's own. */
export const builtIn: Readonly<Record<string, BuiltIn>> = {
  admin: { description: 'everything', permissions },
  operator: {
    description: 'devices, releases and deployments',
    permissions: [
      ...without(reading, 'users:read', 'audit:read'),
      'devices:manage',
      'devices:configure',
      'inventory:manage',
      'releases:manage',
      'deployments:manage',
    ],
  },
  support: {
    description: 'sessions with devices; else reading',
    permissions: [
      ...without(reading, 'users:read', 'audit:read'),
      'sessions:terminal',
      'sessions:transfer',
      'sessions:forward',
    ],
  },
  'read-only': {
    description: 'reading all but users and the audit log',
    permissions: without(reading, 'users:read', 'audit:read'),
  },
  ci: {
    description: 'releases and deployments, for programs',
    permissions: [
      'devices:read',
      'inventory:read',
      'releases:read',
      'releases:manage',
      'deployments:read',
      'deployments:manage',
    ],
  },
};

export const builtInGrants = (name: string): Grant[] | undefined =>
  Object.hasOwn(builtIn, name) ? builtIn[name]?.permissions.map((permission) => ({ permission })) : undefined;
