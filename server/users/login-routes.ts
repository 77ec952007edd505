import { Type } from 'typebox';
import { Login, loginsPath } from '#proto/http/users';
import { callerId, empty, json, route, type Context, type Route } from '../http/route.ts';
import type { UserDeps } from './routes.ts';
import { givenBy } from './routes.ts';
import { checkGiver } from './role-store.ts';

const ofUser = '/api/management/v1/patchbay/users/{id}/logins';
const shown = { 200: { description: 'logins and access tokens, newest first', body: Type.Array(Login) } };
const ended = { 204: { description: 'ended, and what stood on it' }, 404: { description: 'no such login' } };

/** Where one is logged in, and an end to it: one's own, and for administrators those of others. */
export function loginRoutes({ users, roles, logins }: UserDeps): Route[] {
  const own = (context: Context): string | undefined =>
    context.caller.kind === 'user' ? context.caller.tokenId : undefined;
  /** The user whose logins are meant; 403 if he has more rights than the caller. */
  const target = async (context: Context) => {
    const user = await users.get(context.params['id'] ?? '');
    checkGiver(await roles.rightsOf(user.roles), givenBy(context));
    return user;
  };
  return [
    route(
      { method: 'GET', path: loginsPath, access: 'user', summary: 'Where I am logged in', responses: shown },
      async (context) => json(200, await logins.list(callerId(context), own(context))),
    ),
    route(
      {
        method: 'DELETE',
        path: `${loginsPath}/{id}`,
        access: 'user',
        summary: 'End a login of mine',
        audit: 'login_end',
        responses: ended,
      },
      async (context) => {
        const id = context.params['id'] ?? '';
        context.note({ object: { type: 'login', id } });
        await logins.end(callerId(context), id);
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path: loginsPath,
        access: 'user',
        summary: 'End all logins of mine but this one; access tokens stay',
        audit: 'login_end',
        responses: { 204: ended[204] },
      },
      async (context) => {
        context.note({ object: { type: 'user', id: callerId(context) }, details: { which: 'all others' } });
        await logins.endOthers(callerId(context), own(context), 'session');
        return empty();
      },
    ),
    route(
      { method: 'GET', path: ofUser, access: 'users:read', summary: 'Where a user is logged in', responses: shown },
      async (context) => {
        const { id } = await users.get(context.params['id'] ?? '');
        return json(200, await logins.list(id, own(context)));
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${ofUser}/{login}`,
        access: 'users:manage',
        summary: "End a user's login or access token",
        audit: 'login_end',
        responses: ended,
      },
      async (context) => {
        const login = context.params['login'] ?? '';
        const { id, email } = await target(context);
        context.note({ object: { type: 'user', id, name: email }, details: { login } });
        await logins.end(id, login);
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path: ofUser,
        access: 'users:manage',
        summary: "End all of a user's logins and access tokens",
        audit: 'login_end',
        responses: { 204: ended[204] },
      },
      async (context) => {
        const { id, email } = await target(context);
        context.note({ object: { type: 'user', id, name: email }, details: { which: 'all' } });
        await logins.endOthers(id, own(context));
        return empty();
      },
    ),
  ];
}
