import { Type, type Static } from 'typebox';
import { Id, Text, Timestamp } from './conventions.ts';

export { auditPath, useradm } from './paths.ts';

/** Cookie and header carry the same token; the cookie is for a browser's WebSocket and downloads. */
export const tokenCookie = 'JWT';

export const User = Type.Object({
  id: Id,
  email: Type.String(),
  created_ts: Timestamp,
  updated_ts: Timestamp,
  login_ts: Type.Optional(Timestamp),
  /** Ours: names of the roles; old clients read over it. */
  roles: Type.Array(Type.String()),
});
export type User = Static<typeof User>;

/** `GET /users/me` of ours says also what the roles add up to. */
export const Me = Type.Intersect([User, Type.Object({ permissions: Type.Array(Type.String()) })]);
export type Me = User & { permissions: Permission[] };

export const NewUser = Type.Object({
  email: Text(256, 3),
  password: Text(256, 1),
  roles: Type.Optional(Type.Array(Text(64, 1), { maxItems: 32 })),
});
export type NewUser = Static<typeof NewUser>;

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

/** A row of the audit log: newest first, paged. */
export interface AuditEntry {
  id: number;
  time: string;
  actor: { type: 'user' | 'device' | 'system'; id: string; name?: string };
  /** Stable word: `login`, `device_accept`, `artifact_upload`, `deployment_create`, `session_open` … */
  action: string;
  object: { type: string; id: string; name?: string };
  result: 'ok' | 'refused' | 'failed';
  request_id?: string;
  address?: string;
  details?: Record<string, unknown>;
}
