import { Type } from 'typebox';
import { Id, Text } from '#proto/http/conventions';
import { inventoryV1 } from '#proto/http/devices';
import { notFound } from '../errors.ts';
import { pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import { empty, json, route, type Context, type Route } from '../http/route.ts';
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
        summary: "A device's group",
        responses: { 200: { description: 'group or null' } },
      },
      async (context) => json(200, { group: await inventory.groupOf(id(context)) }),
    ),
    route(
      {
        method: 'PUT',
        path: `${inventoryV1}/devices/{id}/group`,
        access: 'inventory:manage',
        summary: 'Move a device into a group',
        body: Type.Object({ group: Text(256, 1) }),
        audit: 'group_join',
        responses: { 204: { description: 'done' } },
      },
      async (context) => {
        context.note({ object: { type: 'device', id: id(context) }, details: { group: context.body.group } });
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
        summary: 'Take a device out of a group',
        audit: 'group_leave',
        responses: { 204: { description: 'done' } },
      },
      async (context) => {
        const group = context.params['name'] ?? '';
        context.note({ object: { type: 'device', id: id(context) }, details: { group } });
        if ((await inventory.leave(group, [id(context)])) === 0) throw notFound('the device is not in that group');
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${inventoryV1}/groups`,
        access: 'inventory:read',
        summary: 'All groups',
        query: Type.Object({ status: Type.Optional(Text(32)) }),
        responses: { 200: { description: 'names', body: Type.Array(Type.String()) } },
      },
      async ({ query }) => json(200, await inventory.groups(query.status)),
    ),
    route(
      {
        method: 'DELETE',
        path: `${inventoryV1}/groups/{name}`,
        access: 'inventory:manage',
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
        summary: 'Add devices to a group',
        body: Members,
        audit: 'group_join',
        responses: done,
      },
      async (context) => {
        const group = context.params['name'] ?? '';
        context.note({ object: { type: 'group', id: group }, details: { devices: context.body } });
        return json(200, nonZero(await inventory.move(group, context.body)));
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${inventoryV1}/groups/{name}/devices`,
        access: 'inventory:manage',
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

const counts = (n: number): Record<string, number> => nonZero({ matched_count: n, updated_count: n });
const nonZero = (all: object): Record<string, number> =>
  Object.fromEntries(Object.entries(all as Record<string, number>).filter(([, n]) => n !== 0));
