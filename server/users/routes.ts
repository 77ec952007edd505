import { Type } from 'typebox';
import { Repeated, Text } from '#proto/http/conventions';
import { Me, NewUser, User, useradm } from '#proto/http/users';
import { HttpError, unauthorized } from '../errors.ts';
import { callerId, empty, json, route, type Context, type Route } from '../http/route.ts';
import { Rights } from '../http/rights.ts';
import { listOf } from '../http/paging.ts';
import type { Entry } from './entry.ts';
import type { Logins } from './logins.ts';
import { checkGiver, type Roles } from './role-store.ts';
import { type Users, versionOf } from './users.ts';

const Login = Type.Object({ no_expiry: Type.Optional(Type.Boolean()), token2fa: Type.Optional(Text(64)) });
const Change = Type.Object({
  email: Type.Optional(Text(256, 3)),
  password: Type.Optional(Text(256, 1)),
  current_password: Type.Optional(Text(256)),
  roles: Type.Optional(Type.Array(Text(64, 1), { maxItems: 32 })),
});
/** No browser keeps it: what else is told with a user changes without another version of him. */
const versioned = (user: Parameters<typeof versionOf>[0]) => ({
  ETag: versionOf(user),
  'Cache-Control': 'no-store',
});
/** Since 1970, as text. */
const Seconds = Type.String({ pattern: '^\\d{1,11}$' });
const time = (seconds: string | undefined): string | undefined =>
  seconds === undefined ? undefined : new Date(Number(seconds) * 1000).toISOString();
const none = { description: 'done' };

export interface UserDeps {
  readonly users: Users;
  readonly roles: Roles;
  readonly logins: Logins;
  readonly entry: Entry;
}

/** What the caller has himself: the most that he can give. */
export const givenBy = ({ caller }: Pick<Context, 'caller'>): Rights =>
  caller.kind === 'user' ? caller.permissions : new Rights([]);

/** `server-api.md` §2.8. */
export function userRoutes({ users, roles, logins, entry }: UserDeps): Route[] {
  /** 403 for a user who has more rights than the caller: whoever manages users does not become an administrator so. */
  const checkTarget = async (context: Pick<Context, 'caller'>, names: readonly string[]): Promise<void> =>
    checkGiver(await roles.rightsOf(names), givenBy(context));
  return [
    route(
      {
        method: 'POST',
        path: `${useradm}/auth/login`,
        access: 'public',
        summary: 'Log in: Basic credentials, and the code of the second factor if there is one, for a token',
        body: Login,
        optionalBody: true,
        audit: 'login',
        responses: {
          200: { description: 'the bare token', body: Type.String(), type: 'application/jwt' },
          401: { description: 'not so; `second_factor` says whether a code is wanted, or was wrong' },
          429: { description: 'too many wrong passwords or codes' },
        },
      },
      async (context) => {
        const { user: email, password } = basic(context.req.get('authorization'));
        const { address, body } = context;
        const noted = { type: 'user', id: email, name: email };
        context.note({ object: noted });
        const whence = { address, userAgent: context.req.get('user-agent') };
        try {
          const credentials = { email, password, code: body?.token2fa };
          const { token, id, email: known } = await entry.login(credentials, whence, body?.no_expiry !== true);
          context.note({ object: { type: 'user', id, name: known } });
          return { status: 200, body: token, type: 'application/jwt' };
        } catch (error) {
          const factor = error instanceof HttpError ? error.extra['second_factor'] : undefined;
          if (factor !== undefined) context.note({ object: noted, details: { second_factor: factor } });
          throw error;
        }
      },
    ),
    route(
      {
        method: 'POST',
        path: `${useradm}/auth/logout`,
        access: 'user',
        summary: 'End this login',
        audit: 'logout',
        responses: { 202: none },
      },
      async (context) => {
        if (context.caller.kind === 'user') await logins.end(context.caller.id, context.caller.tokenId);
        context.note({ object: { type: 'user', id: callerId(context) } });
        return empty(202);
      },
    ),
    route(
      {
        method: 'GET',
        path: `${useradm}/users`,
        access: 'users:read',
        summary: 'All users',
        query: Type.Object({
          id: Type.Optional(Repeated()),
          email: Type.Optional(Repeated()),
          created_after: Type.Optional(Seconds),
          created_before: Type.Optional(Seconds),
          updated_after: Type.Optional(Seconds),
          updated_before: Type.Optional(Seconds),
        }),
        responses: { 200: { description: 'users', body: Type.Array(User) } },
      },
      async ({ query }) =>
        json(
          200,
          await users.list({
            ids: listOf(query.id),
            emails: listOf(query.email),
            created: { after: time(query.created_after), before: time(query.created_before) },
            updated: { after: time(query.updated_after), before: time(query.updated_before) },
          }),
        ),
    ),
    route(
      {
        method: 'POST',
        path: `${useradm}/users`,
        access: 'users:manage',
        summary: 'Make a user',
        body: NewUser,
        audit: 'user_create',
        responses: { 201: { description: 'made; Location names it' } },
      },
      async (context) => {
        const { email, password, roles: names = ['read-only'] } = context.body;
        const after = { email, roles: names };
        context.note({ object: { type: 'user', id: email, name: email }, after });
        await roles.check(names);
        await checkTarget(context, names);
        const id = await users.create({ email, password, roles: names });
        context.note({ object: { type: 'user', id, name: email }, after });
        return empty(201, { Location: `users/${id}` });
      },
    ),
    route(
      {
        method: 'GET',
        path: `${useradm}/users/me`,
        access: 'user',
        summary: 'Who I am and what I may do',
        responses: { 200: { description: 'me', body: Me } },
      },
      async (context) => {
        const user = await users.get(callerId(context));
        const rights = givenBy(context);
        const mustEnrol = context.caller.kind === 'user' && context.caller.mustEnrol;
        const more = mustEnrol ? { must_enrol: true } : {};
        const body = { ...user, permissions: [...rights], grants: rights.grants, ...more };
        return json(200, body, versioned(user));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${useradm}/users/{id}`,
        access: 'users:read',
        summary: 'One user',
        responses: { 200: { description: 'the user', body: User } },
      },
      async ({ params }) => {
        const user = await users.get(params['id'] ?? '');
        return json(200, user, versioned(user));
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${useradm}/users/me`,
        access: 'user',
        summary: 'Change my email or password',
        body: Change,
        audit: 'user_update',
        responses: { 204: none },
      },
      async (context) => {
        const { email, password, current_password } = context.body;
        const id = callerId(context);
        const before = await users.get(id);
        context.note({
          object: { type: 'user', id, name: before.email },
          before: { email: before.email },
          after: { email: email ?? before.email },
          details: { password: password !== undefined },
        });
        await users.checkCurrentPassword(id, current_password);
        const token = context.caller.kind === 'user' ? context.caller.tokenId : undefined;
        await users.update(
          id,
          { ...(email === undefined ? {} : { email }), ...(password === undefined ? {} : { password }) },
          { keepToken: token, ifMatch: context.req.get('if-match') },
        );
        return empty();
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${useradm}/users/{id}`,
        access: 'users:manage',
        summary: 'Change a user',
        body: Change,
        audit: 'user_update',
        responses: { 204: none },
      },
      async (context) => {
        const { email, password, roles: names, current_password } = context.body;
        const id = context.params['id'] ?? '';
        const before = await users.get(id);
        context.note({
          object: { type: 'user', id, name: before.email },
          before: { email: before.email, roles: before.roles },
          after: { email: email ?? before.email, roles: names ?? before.roles },
          details: { password: password !== undefined },
        });
        await checkTarget(context, before.roles);
        if (names) {
          await roles.check(names);
          await checkTarget(context, names);
        }
        if (id === callerId(context) && password !== undefined) await users.checkCurrentPassword(id, current_password);
        await users.update(
          id,
          {
            ...(email === undefined ? {} : { email }),
            ...(password === undefined ? {} : { password }),
            ...(names ? { roles: names } : {}),
          },
          { ifMatch: context.req.get('if-match') },
        );
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${useradm}/users/{id}`,
        access: 'users:manage',
        summary: 'Remove a user',
        audit: 'user_remove',
        responses: { 204: none },
      },
      async (context) => {
        const id = context.params['id'] ?? '';
        // The reference says 204 of a user who is not there (`server-api.md` §2.8).
        const [user] = await users.list({ ids: [id], emails: [] });
        if (!user) return empty();
        context.note({
          object: { type: 'user', id, name: user.email },
          before: { email: user.email, roles: user.roles },
        });
        await checkTarget(context, user.roles);
        await users.remove(id);
        return empty();
      },
    ),
  ];
}

/** User and password of a Basic header; 401 when there is none. */
function basic(header: string | undefined): { user: string; password: string } {
  const [scheme, value] = (header ?? '').split(' ', 2);
  if (scheme?.toLowerCase() !== 'basic' || !value || value.length > 2048)
    throw unauthorized('unauthorized: Basic credentials are wanted');
  const text = Buffer.from(value, 'base64').toString();
  const at = text.indexOf(':');
  if (at < 0) throw unauthorized('unauthorized: Basic credentials are wanted');
  return { user: text.slice(0, at), password: text.slice(at + 1) };
}
