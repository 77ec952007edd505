import { Type, type Static } from 'typebox';
import { Id, OneOf, Text, Timestamp } from './conventions.ts';
import { permissions, type Permission } from './permissions.ts';

export { auditPath, loginsPath, policyPath, rolesPath, secondFactorPath, useradm } from './paths.ts';
export type { AuditEntry } from './audit.ts';
export { holds, permissions, scopeKindOf, type Permission, type ScopeKind } from './permissions.ts';

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
  /** Ours: whether a second factor is asked for at his login. */
  second_factor: Type.Optional(Type.Boolean()),
});
export type User = Static<typeof User>;

export const NewUser = Type.Object({
  email: Text(256, 3),
  password: Text(256, 1),
  roles: Type.Optional(Type.Array(Text(64, 1), { maxItems: 32 })),
});
export type NewUser = Static<typeof NewUser>;

const PermissionWord = Type.Unsafe<Permission>({
  type: 'string',
  maxLength: 128,
  pattern: `^(${permissions.join('|')}|addon:[a-z0-9-]+:[a-z0-9-]+)$`,
});
/** One action and where it may be done; without `groups` and `tags`, everywhere. Never two lists that are combined. */
export const Grant = Type.Object(
  {
    permission: PermissionWord,
    groups: Type.Optional(Type.Array(Text(256, 1), { minItems: 1, maxItems: 100 })),
    tags: Type.Optional(Type.Array(Text(1024, 1), { minItems: 1, maxItems: 100 })),
  },
  { additionalProperties: false },
);
export type Grant = Static<typeof Grant>;

export const roleNameShape = '^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$';
export const RoleContent = Type.Object({
  description: Type.Optional(Text(1024)),
  grants: Type.Array(Grant, { maxItems: 100 }),
});
export type RoleContent = Static<typeof RoleContent>;
export const NewRole = Type.Intersect([Type.Object({ name: Type.String({ pattern: roleNameShape }) }), RoleContent]);
export type NewRole = RoleContent & { name: string };
export const Role = Type.Object({
  name: Type.String(),
  description: Type.String(),
  grants: Type.Array(Grant),
  /** It comes with the server and cannot be changed. */
  builtin: Type.Boolean(),
  /** How many users have it. */
  users: Type.Integer(),
});
export type Role = Static<typeof Role>;

/** `GET /users/me` of ours says also what the roles add up to, and what is to be done before anything else. */
export const Me = Type.Intersect([
  User,
  Type.Object({
    permissions: Type.Array(Type.String()),
    grants: Type.Array(Grant),
    must_enrol: Type.Optional(Type.Boolean()),
  }),
]);
export type Me = User & { permissions: Permission[]; grants: Grant[]; must_enrol?: boolean };

/** A login or an access token that is good now. */
export const Login = Type.Object({
  id: Id,
  kind: OneOf(['session', 'access'] as const),
  /** Of an access token. */
  name: Type.Optional(Type.String()),
  created_ts: Timestamp,
  /** To five minutes. */
  last_used_ts: Type.Optional(Timestamp),
  expires_ts: Type.Optional(Timestamp),
  /** From where it was last used. */
  address: Type.Optional(Type.String()),
  user_agent: Type.Optional(Type.String()),
  /** The user agent in words: `Chrome on Linux`. */
  client: Type.String(),
  /** The one that asks. */
  current: Type.Boolean(),
});
export type Login = Static<typeof Login>;

export const SecondFactor = Type.Object({
  /** `enrolling`: a key was given out, no code of it was shown yet. */
  status: OneOf(['off', 'enrolling', 'on'] as const),
  /** Everybody has to have one. */
  required: Type.Boolean(),
  recovery_codes_left: Type.Integer(),
});
export type SecondFactor = Static<typeof SecondFactor>;

/** What is needed to scan or type a key into an authenticator. `qr`: a PNG, base64, as the reference gives it. */
export const Enrolment = Type.Object({ qr: Type.String(), uri: Type.String(), secret: Type.String() });
export type Enrolment = Static<typeof Enrolment>;

export const RecoveryCodes = Type.Object({ recovery_codes: Type.Array(Type.String()) });
export type RecoveryCodes = Static<typeof RecoveryCodes>;

/** Why a right password was not enough, in the body of the 401. */
export const secondFactorWords = ['wanted', 'wrong'] as const;

/** What an administrator decides for all. */
export const Policy = Type.Object({
  second_factor: OneOf(['optional', 'required'] as const),
  /** Days that the audit log goes back; 0: for ever. */
  audit_days: Type.Integer({ minimum: 0, maximum: 36_500 }),
});
export type Policy = Static<typeof Policy>;
