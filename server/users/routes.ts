import { Type } from 'typebox';
import { Repeated, Text } from '#proto/http/conventions';
import { Me, NewUser, User, useradm } from '#proto/http/users';
import { unauthorized } from '../errors.ts';
import { callerId, empty, json, route, type Route } from '../http/route.ts';
import { listOf } from '../http/paging.ts';
import { permissionsOf, roles } from './roles.ts';
import type { Users } from './users.ts';

const Login = Type.Object({ no_expiry: Type.Optional(Type.Boolean()), token2fa: Type.Optional(Text(16)) });
const Change = Type.Object({
  email: Type.Optional(Text(256, 3)),
  password: Type.Optional(Text(256, 1)),
  current_password: Type.Optional(Text(256)),
  roles: Type.Optional(Type.Array(Text(64, 1), { maxItems: 32 })),
});
const none = { description: 'done' };

/** `server-api.md` §2.8. */
export function userRoutes(users: Users): Route[] {
  return [
    route(
      {
        method: 'POST',
        path: `${useradm}/auth/login`,
        access: 'public',
        summary: 'Log in: Basic credentials for a token',
        body: Login,
        optionalBody: true,
        audit: 'login',
        responses: { 200: { description: 'the bare token', body: Type.String(), type: 'application/jwt' } },
      },
      async (context) => {
        const { user: email, password } = basic(context.req.get('authorization'));
        context.note({ object: { type: 'user', id: email, name: email } });
        const { token, user } = await users.login(email, password, {
          address: context.address,
          expires: context.body?.no_expiry !== true,
        });
        context.note({ object: { type: 'user', id: user.id, name: user.email } });
        return { status: 200, body: token, type: 'application/jwt' };
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
        if (context.caller.kind === 'user') await users.logout(context.caller);
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
        query: Type.Object({ id: Type.Optional(Repeated()), email: Type.Optional(Repeated()) }),
        responses: { 200: { description: 'users', body: Type.Array(User) } },
      },
      async ({ query }) => json(200, await users.list({ ids: listOf(query.id), emails: listOf(query.email) })),
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
        context.note({ object: { type: 'user', id: email, name: email }, details: { roles: names } });
        const id = await users.create({ email, password, roles: names });
        context.note({ object: { type: 'user', id, name: email }, details: { roles: names } });
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
        return json(200, { ...user, permissions: [...permissionsOf(user.roles)] });
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
      async ({ params }) => json(200, await users.get(params['id'] ?? '')),
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
        context.note({ object: { type: 'user', id } });
        await users.checkCurrentPassword(id, current_password);
        const token = context.caller.kind === 'user' ? context.caller.tokenId : undefined;
        await users.update(
          id,
          { ...(email === undefined ? {} : { email }), ...(password === undefined ? {} : { password }) },
          token,
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
          details: { before: before.roles, ...(names ? { roles: names } : {}), password: password !== undefined },
        });
        if (id === callerId(context) && password !== undefined) await users.checkCurrentPassword(id, current_password);
        await users.update(id, {
          ...(email === undefined ? {} : { email }),
          ...(password === undefined ? {} : { password }),
          ...(names ? { roles: names } : {}),
        });
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
        context.note({ object: { type: 'user', id: context.params['id'] ?? '' } });
        await users.remove(context.params['id'] ?? '');
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: '/api/management/v1/patchbay/roles',
        access: 'users:read',
        summary: 'Roles and their permissions',
        responses: { 200: { description: 'roles', body: Type.Record(Type.String(), Type.Array(Type.String())) } },
      },
      () => json(200, roles),
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
