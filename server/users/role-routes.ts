import { Type } from 'typebox';
import { NewRole, Role, RoleContent, rolesPath, type Role as RoleShape } from '#proto/http/users';
import { empty, json, route, type Context, type Route } from '../http/route.ts';
import type { Roles } from './role-store.ts';
import { givenBy } from './routes.ts';

const path = `${rolesPath}/{name}`;
const missing = { 404: { description: 'no such role' } };
const refusals = {
  403: { description: 'more than the caller has himself' },
  422: { description: 'a grant that cannot be' },
};
const noted = ({ name, description, grants }: Pick<RoleShape, 'name' | 'description' | 'grants'>) => ({
  name,
  description,
  grants,
});

/** Roles of one's own. `changed` is told whose rights are others now. */
export function roleRoutes(roles: Roles, changed: (userIds: readonly string[]) => Promise<void>): Route[] {
  const named = (context: Context): string => context.params['name'] ?? '';
  return [
    route(
      {
        method: 'GET',
        path: rolesPath,
        access: 'users:read',
        summary: 'Roles: what each allows, and where',
        responses: { 200: { description: 'roles, the built-in ones first', body: Type.Array(Role) } },
      },
      async () => json(200, await roles.list()),
    ),
    route(
      {
        method: 'POST',
        path: rolesPath,
        access: 'users:manage',
        summary: 'Make a role',
        body: NewRole,
        audit: 'role_create',
        responses: { 201: { description: 'made' }, 409: { description: 'the name is taken' }, ...refusals },
      },
      async (context) => {
        const { name, description = '', grants } = context.body;
        context.note({ object: { type: 'role', id: name }, after: noted({ name, description, grants }) });
        await roles.create(name, { description, grants }, givenBy(context));
        return empty(201, { Location: `${rolesPath}/${encodeURIComponent(name)}` });
      },
    ),
    route(
      {
        method: 'GET',
        path,
        access: 'users:read',
        summary: 'One role',
        responses: { 200: { description: 'the role', body: Role }, ...missing },
      },
      async (context) => json(200, await roles.get(named(context))),
    ),
    route(
      {
        method: 'PUT',
        path,
        access: 'users:manage',
        summary: 'Change a role; what its users have open and may no longer do ends',
        body: RoleContent,
        audit: 'role_update',
        responses: { 204: { description: 'done' }, ...missing, ...refusals, 409: { description: 'a built-in role' } },
      },
      async (context) => {
        const name = named(context);
        const before = await roles.get(name);
        const { description = before.description, grants } = context.body;
        context.note({
          object: { type: 'role', id: name },
          before: noted(before),
          after: noted({ name, description, grants }),
        });
        await roles.update(name, { description, grants }, givenBy(context));
        await changed(await roles.usersOf(name));
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path,
        access: 'users:manage',
        summary: 'Remove a role that nobody has',
        audit: 'role_remove',
        responses: { 204: { description: 'gone' }, ...missing, 409: { description: 'built in, or somebody has it' } },
      },
      async (context) => {
        const name = named(context);
        const before = await roles.get(name);
        context.note({ object: { type: 'role', id: name }, before: noted(before) });
        await roles.remove(name, givenBy(context));
        return empty();
      },
    ),
  ];
}
