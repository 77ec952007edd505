import { Type } from 'typebox';
import { Id, Text } from '#proto/http/conventions';
import { inventoryV1 } from '#proto/http/devices';
import { forbidden, notFound } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import { empty, json, route, scopeOf, type Context, type Route } from '../http/route.ts';
import { checkGroup, type Inventory } from './inventory.ts';

const Members = Type.Array(Id, { minItems: 1, maxItems: 10_000 });
const done = { 200: { description: 'done' } };

/** Static groups (`server-api.md` §2.4). */
export function groupRoutes(inventory: Inventory): Route[] {
  const id = (context: Context): string => context.params['id'] ?? '';
  return [
    route(
      {
        method: 'GET',
        path: `${inventoryV1}/devices/{id}/group`,
        access: 'inventory:read',
        confined: 'device',
        summary: "A device's group",
        responses: { 200: { description: 'group or null' } },
      },
      async (context) => {
        const scope = scopeOf(context, 'inventory:read');
        const groups = await inventory.groupsOf(id(context));
        return json(200, { group: groups.find((group) => scope === 'all' || scope.includes(group)) ?? null });
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${inventoryV1}/devices/{id}/group`,
        access: 'inventory:manage',
        confined: 'device',
        summary: 'Move a device into a group',
        body: Type.Object({ group: Text(256, 1) }),
        audit: 'group_join',
        responses: { 204: { description: 'done' } },
      },
      async (context) => {
        context.note({ object: { type: 'device', id: id(context) }, details: { group: context.body.group } });
        await checkMove(inventory, scopeOf(context, 'inventory:manage'), context.body.group, [id(context)]);
        const { matched_count: matched } = await inventory.move(context.body.group, [id(context)]);
        if (matched === 0) throw notFound('device not found');
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${inventoryV1}/devices/{id}/group/{name}`,
        access: 'inventory:manage',
        confined: 'device',
        summary: 'Take a device out of a group',
        audit: 'group_leave',
        responses: { 204: { description: 'done' } },
      },
      async (context) => {
        const group = context.params['name'] ?? '';
        context.note({ object: { type: 'device', id: id(context) }, details: { group } });
        const scope = scopeOf(context, 'inventory:manage');
        if (scope !== 'all' && !scope.includes(group)) throw notFound('the device is not in that group');
        if ((await inventory.leave(group, [id(context)])) === 0) throw notFound('the device is not in that group');
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${inventoryV1}/groups`,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'All groups',
        query: Type.Object({ status: Type.Optional(Text(32)) }),
        responses: { 200: { description: 'names', body: Type.Array(Type.String()) } },
      },
      async (context) => json(200, await inventory.groups(context.query.status, scopeOf(context, 'inventory:read'))),
    ),
    route(
      {
        method: 'DELETE',
        path: `${inventoryV1}/groups/{name}`,
        access: 'inventory:manage',
        confined: 'group',
        summary: 'Dissolve a group',
        audit: 'group_remove',
        responses: done,
      },
      async (context) => {
        const group = context.params['name'] ?? '';
        checkGroup(group);
        context.note({ object: { type: 'group', id: group } });
        return json(200, counts(await inventory.leave(group)));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${inventoryV1}/groups/{name}/devices`,
        access: 'inventory:read',
        confined: 'group',
        summary: 'Members of a group',
        query: Type.Object(PageQuery),
        responses: { 200: { description: 'ids', body: Type.Array(Type.String()) } },
      },
      async ({ params, query, req }) => {
        const page = pageOf(query);
        const { devices, total } = await inventory.search(
          { filters: [], sort: [], group: params['name'] ?? '' },
          page.perPage,
          page.offset,
        );
        if (total === 0) throw notFound('group not found');
        return json(
          200,
          devices.map((device) => device.id),
          pageHeaders(req.originalUrl, page, { total }),
        );
      },
    ),
    route(
      {
        method: 'PATCH',
        path: `${inventoryV1}/groups/{name}/devices`,
        access: 'inventory:manage',
        confined: 'group',
        summary: 'Add devices to a group',
        body: Members,
        audit: 'group_join',
        responses: done,
      },
      async (context) => {
        const group = context.params['name'] ?? '';
        context.note({ object: { type: 'group', id: group }, details: { devices: context.body } });
        await checkMove(inventory, scopeOf(context, 'inventory:manage'), group, context.body);
        return json(200, nonZero(await inventory.move(group, context.body)));
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${inventoryV1}/groups/{name}/devices`,
        access: 'inventory:manage',
        confined: 'group',
        summary: 'Take devices out of a group',
        body: Members,
        audit: 'group_leave',
        responses: done,
      },
      async (context) => {
        const group = context.params['name'] ?? '';
        checkGroup(group);
        context.note({ object: { type: 'group', id: group }, details: { devices: context.body } });
        return json(200, counts(await inventory.leave(group, context.body)));
      },
    ),
  ];
}

/**
 * Groups say who reaches a device: whoever is confined to some moves a device from one of his to another of his. 404 for a
 * device out of reach, 403 where a group is not his. `stays`: it stays in the groups that it is in.
 */
export async function checkMove(
  inventory: Inventory,
  scope: Scope,
  group: string,
  deviceIds: readonly string[],
  { stays = false } = {},
): Promise<void> {
  if (scope === 'all') return;
  if (!scope.includes(group)) throw forbidden(`your roles do not let you put devices into the group "${group}"`);
  for (const id of deviceIds) {
    const groups = await inventory.groupsOf(id).catch(() => []);
    if (!groups.some((name) => scope.includes(name))) throw notFound('device not found');
    const [first = ''] = groups;
    if (!stays && !scope.includes(first))
      throw forbidden('your roles do not let you take the device out of the group that it is in');
  }
}

const counts = (n: number): Record<string, number> => nonZero({ matched_count: n, updated_count: n });
const nonZero = (all: object): Record<string, number> =>
  Object.fromEntries(Object.entries(all as Record<string, number>).filter(([, n]) => n !== 0));
