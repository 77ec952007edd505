// Without a schema: the command line need not load any to know these.

/** What a route may ask of its caller. A role is a set of these. */
export const permissions = [
  'devices:read',
  'devices:manage',
  'devices:configure',
  'inventory:read',
  'inventory:manage',
  'releases:read',
  'releases:manage',
  'deployments:read',
  'deployments:manage',
  'sessions:terminal',
  'sessions:transfer',
  'sessions:forward',
  'sessions:read',
  'users:read',
  'users:manage',
  'audit:read',
  'settings:manage',
] as const;
/** `addon:ID:WORD` are those that an add-on brings. */
export type Permission = (typeof permissions)[number] | `addon:${string}:${string}`;

/** Whether these include it. Rights that an add-on brings are those of whoever has the say over the server, and of roles that name them. */
export const holds = (permissions: Pick<ReadonlySet<Permission>, 'has'>, permission: Permission): boolean =>
  permissions.has(permission) || (permission.startsWith('addon:') && permissions.has('settings:manage'));

/** What a right can be confined to: groups of devices, tags of releases, or nothing (it holds for all or not at all). */
export type ScopeKind = 'groups' | 'tags';
export function scopeKindOf(permission: Permission): ScopeKind | undefined {
  const [noun] = permission.split(':', 1);
  if (noun === 'releases') return 'tags';
  return noun === 'users' || noun === 'audit' || noun === 'settings' ? undefined : 'groups';
}
