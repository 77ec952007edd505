import { Type } from 'typebox';
import { Id } from '#proto/http/conventions';
import { InventoryDevice } from '#proto/http/devices';
import { Group, GroupChange, groupsPath, NewFilter, NewGroup, SavedFilter, inventoryV2 } from '#proto/http/groups';
import { pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import type { Scope } from '../http/rights.ts';
import { empty, json, route, scopeOf, type Route } from '../http/route.ts';
import { forbidden } from '../errors.ts';
import { checkMove } from './group-routes.ts';
import type { Groups } from './groups.ts';
import type { Changed, Inventory } from './inventory.ts';

const Members = Type.Array(Id, { minItems: 1, maxItems: 10_000 });
const changed = {
  200: {
    description: 'how many of them are known, and how many changed',
    body: Type.Object({ matched_count: Type.Integer(), updated_count: Type.Integer() }),
  },
};
const missing = { 404: { description: 'no such group' } };
const bad = { 400: { description: 'bad body' }, 422: { description: 'not possible; the answer says why' } };
const devicePage = { 200: { description: 'devices', body: Type.Array(InventoryDevice) } };

/** Ours: groups of both kinds, nested; a device may be in several static ones. */
export function ownGroupRoutes(groups: Groups, inventory: Inventory): Route[] {
  const path = `${groupsPath}/{name}`;
  const members = (
    method: 'PATCH' | 'DELETE',
    summary: string,
    work: (name: string, ids: string[], scope: Scope) => Promise<Changed>,
  ) =>
    route(
      {
        method,
        path: `${path}/devices`,
        access: 'inventory:manage',
        confined: 'group',
        summary,
        body: Members,
        audit: method === 'PATCH' ? 'group_join' : 'group_leave',
        responses: { ...changed, ...bad },
      },
      async (context) => {
        const { body, note } = context;
        const { name = '' } = context.params;
        note({ object: { type: 'group', id: name }, details: { devices: body } });
        return json(200, await work(name, [...new Set(body)], scopeOf(context, 'inventory:manage')));
      },
    );
  return [
    route(
      {
        method: 'GET',
        path: groupsPath,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'All groups; count=true: also how many devices are in dynamic ones',
        query: Type.Object({ count: Type.Optional(Type.String()) }),
        responses: { 200: { description: 'by name', body: Type.Array(Group) } },
      },
      async (context) => {
        const scope = scopeOf(context, 'inventory:read');
        return json(200, await groups.list({ counted: context.query.count === 'true', scope }));
      },
    ),
    route(
      {
        method: 'POST',
        path: groupsPath,
        access: 'inventory:manage',
        summary: 'Make a group; with terms, a dynamic one',
        body: NewGroup,
        audit: 'group_create',
        responses: { 201: { description: 'made; Location names it' }, 409: { description: 'there is one' }, ...bad },
      },
      async ({ body, note }) => {
        note({ object: { type: 'group', id: body.name }, details: { ...body } });
        await groups.create(body);
        return empty(201, { Location: `${groupsPath}/${body.name}` });
      },
    ),
    route(
      {
        method: 'GET',
        path,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'A group, and how many devices are in it',
        responses: { 200: { description: 'the group', body: Group }, ...missing },
      },
      async (context) => json(200, await groups.get(context.params['name'] ?? '', scopeOf(context, 'inventory:read'))),
    ),
    route(
      {
        method: 'PATCH',
        path,
        access: 'inventory:manage',
        // A dynamic one is everybody's: no right for some groups reaches it.
        confined: 'group',
        summary: 'Describe a group, show it in another, or change what a dynamic one finds',
        body: GroupChange,
        audit: 'group_update',
        responses: { 204: { description: 'done' }, ...missing, ...bad },
      },
      async (context) => {
        const { body, note } = context;
        const { name = '' } = context.params;
        note({ object: { type: 'group', id: name }, details: { ...body } });
        const scope = scopeOf(context, 'inventory:manage');
        if (body.parent && scope !== 'all' && !scope.includes(body.parent))
          throw forbidden(`your roles do not let you show groups in the group "${body.parent}"`);
        await checkOwn(groups, name, scope);
        await groups.change(name, body);
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path,
        access: 'inventory:manage',
        confined: 'group',
        summary: 'Remove a group; its devices stay, and what is shown in it moves up',
        audit: 'group_remove',
        responses: { 204: { description: 'done' }, ...missing },
      },
      async (context) => {
        const { note } = context;
        const { name = '' } = context.params;
        note({ object: { type: 'group', id: name } });
        await checkOwn(groups, name, scopeOf(context, 'inventory:manage'));
        const devices = await groups.remove(name);
        note({ object: { type: 'group', id: name }, details: { devices } });
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${path}/devices`,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'Devices of a group; nested=true: also of the groups shown in it',
        query: Type.Object({ ...PageQuery, nested: Type.Optional(Type.String()) }),
        responses: { ...devicePage, ...missing },
      },
      async (context) => {
        const { query, req } = context;
        const page = pageOf(query);
        const scope = scopeOf(context, 'inventory:read');
        const search = await groups.searchOf(context.params['name'] ?? '', { nested: query.nested === 'true', scope });
        const { devices, total } = await inventory.search(search, page.perPage, page.offset);
        return json(200, devices, pageHeaders(req.originalUrl, page, { total }));
      },
    ),
    members('PATCH', 'Add devices to a static group; they stay in their others', async (name, ids, scope) => {
      await checkMove(inventory, scope, name, ids, { stays: true });
      return await inventory.add(name, ids);
    }),
    members('DELETE', 'Take devices out of a static group', async (name, ids) => {
      const left = await inventory.leave(name, ids);
      return { matched_count: left, updated_count: left };
    }),
  ];
}

/** A dynamic group is everybody's, though a right may have its name: rights are confined to static ones. */
async function checkOwn(groups: Groups, name: string, scope: Scope): Promise<void> {
  if (scope !== 'all' && (await groups.get(name)).kind === 'dynamic')
    throw forbidden('a dynamic group is everybody’s: your roles let you change groups of your own only');
}

/** Saved filters (`server-api.md` §4.2): dynamic groups, by their ids. */
export function filterRoutes(groups: Groups, inventory: Inventory): Route[] {
  const path = `${inventoryV2}/filters`;
  const gone = { 404: { description: 'no such filter' } };
  return [
    route(
      {
        method: 'GET',
        path,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'Saved filters',
        query: Type.Object(PageQuery),
        responses: { 200: { description: 'by name', body: Type.Array(SavedFilter) } },
      },
      async (context) => {
        const page = pageOf(context.query);
        const scope = scopeOf(context, 'inventory:read');
        const { filters, total } = await groups.filters(page.perPage, page.offset, scope);
        return json(200, filters, pageHeaders(context.req.originalUrl, page, { total }));
      },
    ),
    route(
      {
        method: 'POST',
        path,
        access: 'inventory:manage',
        summary: 'Save a filter: a dynamic group',
        body: NewFilter,
        audit: 'group_create',
        responses: { 201: { description: 'made; Location names it' }, 409: { description: 'there is one' }, ...bad },
      },
      async ({ body, note }) => {
        note({ object: { type: 'group', id: body.name }, details: { terms: body.terms } });
        return empty(201, { Location: `${path}/${await groups.create(body)}` });
      },
    ),
    route(
      {
        method: 'GET',
        path: `${path}/{id}`,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'A saved filter',
        responses: { 200: { description: 'the filter', body: SavedFilter }, ...gone },
      },
      async (context) => json(200, await groups.filter(context.params['id'] ?? '', scopeOf(context, 'inventory:read'))),
    ),
    route(
      {
        method: 'DELETE',
        path: `${path}/{id}`,
        access: 'inventory:manage',
        summary: 'Remove a saved filter',
        audit: 'group_remove',
        responses: { 204: { description: 'done' }, ...gone },
      },
      async ({ params: { id = '' }, note }) => {
        note({ object: { type: 'group', id } });
        const { name } = await groups.filter(id);
        note({ object: { type: 'group', id: name } });
        await groups.remove(name);
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${path}/{id}/search`,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'Devices that a saved filter finds',
        query: Type.Object(PageQuery),
        responses: { ...devicePage, ...gone },
      },
      async (context) => {
        const page = pageOf(context.query);
        const scope = scopeOf(context, 'inventory:read');
        const { terms } = await groups.filter(context.params['id'] ?? '', scope);
        const search = { filters: terms, sort: [], ...(scope === 'all' ? {} : { within: scope }) };
        const { devices, total } = await inventory.search(search, page.perPage, page.offset);
        return json(200, devices, pageHeaders(context.req.originalUrl, page, { total }));
      },
    ),
  ];
}
