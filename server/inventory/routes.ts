import { Type } from 'typebox';
import { Repeated, Text } from '#proto/http/conventions';
import {
  AttributeValue,
  InventoryDevice,
  InventorySearch,
  inventoryScopes,
  inventoryV1,
  inventoryV2,
  type FilterTerm,
  type InventoryScope,
} from '#proto/http/devices';
import { badRequest } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import { callerId, empty, json, route, scopeOf, type Context, type Route } from '../http/route.ts';
import type { Inventory } from './inventory.ts';
import type { SortTerm } from './search.ts';

const Report = Type.Array(
  Type.Object({ name: Text(1024, 1), value: AttributeValue, description: Type.Optional(Text(4096)) }),
  { maxItems: 1000 },
);
const devicePage = { 200: { description: 'devices', body: Type.Array(InventoryDevice) } };
const done = { 200: { description: 'done' } };
const reserved = new Set(['page', 'per_page', 'sort', 'has_group', 'group']);

/** `server-api.md` §1.6, §2.4 and §2.5. */
export function inventoryRoutes(inventory: Inventory, version: (deviceId: string) => Promise<string>): Route[] {
  const id = (context: Context): string => context.params['id'] ?? '';
  const report = (method: 'PUT' | 'PATCH', mode: 'replace' | 'merge'): Route =>
    route(
      {
        method,
        path: '/api/devices/v1/inventory/device/attributes',
        access: 'device',
        summary: 'A device reports what it is',
        body: Report,
        responses: done,
      },
      async (context) => {
        await inventory.report(callerId(context), context.body, mode);
        return empty(200);
      },
    );
  return [
    report('PUT', 'replace'),
    report('PATCH', 'merge'),
    route(
      {
        method: 'GET',
        path: `${inventoryV1}/devices`,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'Devices with their attributes; any attribute as a filter',
        responses: devicePage,
        query: Type.Object(
          {
            ...PageQuery,
            sort: Type.Optional(Text(1100)),
            has_group: Type.Optional(Text(8)),
            group: Type.Optional(Text(256)),
          },
          { additionalProperties: Type.Union([Repeated()]) },
        ),
      },
      async (context) => {
        const { query, req } = context;
        const page = pageOf(query);
        const filters = Object.entries(query as Record<string, unknown>)
          .filter(([key]) => !reserved.has(key))
          .flatMap(([key, value]) => simpleFilter(key, String(value)));
        const group =
          query.has_group === 'false' ? null : (query.group ?? (query.has_group === 'true' ? '' : undefined));
        const { devices, total } = await inventory.search(
          {
            filters,
            ...within(scopeOf(context, 'inventory:read')),
            sort: query.sort === undefined ? [] : [sortTerm(query.sort)],
            ...(group === undefined ? {} : { group }),
          },
          page.perPage,
          page.offset,
        );
        return json(200, devices, pageHeaders(req.originalUrl, page, { total }));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${inventoryV1}/devices/{id}`,
        access: 'inventory:read',
        confined: 'device',
        summary: "One device's attributes",
        responses: { 200: { description: 'the device', body: InventoryDevice } },
      },
      async (context) => json(200, await inventory.get(id(context)), { ETag: await version(id(context)) }),
    ),
    route(
      {
        method: 'DELETE',
        path: `${inventoryV1}/devices/{id}`,
        access: 'inventory:manage',
        confined: 'device',
        summary: 'Forget what a device reported',
        audit: 'inventory_clear',
        responses: { 204: { description: 'done' } },
      },
      async (context) => {
        context.note({ object: { type: 'device', id: id(context) } });
        await inventory.clear(id(context));
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${inventoryV2}/filters/attributes`,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'Which attributes there are',
        responses: { 200: { description: 'names and counts' } },
      },
      async (context) => json(200, await inventory.names(scopeOf(context, 'inventory:read'))),
    ),
    route(
      {
        method: 'POST',
        path: `${inventoryV2}/filters/search`,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'Search devices',
        body: InventorySearch,
        responses: devicePage,
      },
      async (context) => {
        const { body } = context;
        const page = pageOf({
          ...(body.page === undefined ? {} : { page: String(body.page) }),
          ...(body.per_page === undefined ? {} : { per_page: String(body.per_page) }),
        });
        const { devices, total } = await inventory.search(
          {
            filters: body.filters ?? [],
            ...within(scopeOf(context, 'inventory:read')),
            sort: body.sort ?? [],
            ...(body.device_ids && body.device_ids.length > 0 ? { ids: body.device_ids } : {}),
            ...(body.text ? { text: body.text } : {}),
          },
          page.perPage,
          page.offset,
        );
        const wanted =
          body.attributes && body.attributes.length > 0
            ? new Set([...body.attributes.map((a) => `${a.scope} ${a.attribute}`), 'system updated_ts'])
            : undefined;
        const shown = wanted
          ? devices.map((device) => ({
              ...device,
              attributes: device.attributes.filter((a) => wanted.has(`${a.scope} ${a.name}`)),
            }))
          : devices;
        return json(200, shown, { 'X-Total-Count': String(total) });
      },
    ),
    route(
      {
        method: 'GET',
        path: `${inventoryV2}/statistics`,
        access: 'inventory:read',
        confined: 'handler',
        summary: 'Devices by status',
        responses: { 200: { description: 'counts' } },
      },
      async (context) =>
        json(200, { devices_by_status: await inventory.statistics(scopeOf(context, 'inventory:read')) }),
    ),
  ];
}

function split(text: string): { scope: InventoryScope; attribute: string } {
  const at = text.indexOf('/');
  const scope = at < 0 ? 'inventory' : text.slice(0, at);
  if (!(inventoryScopes as readonly string[]).includes(scope))
    throw badRequest(`invalid scope "${scope.slice(0, 64)}"`);
  return { scope: scope as InventoryScope, attribute: at < 0 ? text : text.slice(at + 1) };
}

/** `[scope/]attribute=[eq:]value`: as text, and as a number where it is one. */
function simpleFilter(key: string, value: string): FilterTerm[] {
  const wanted = value.startsWith('eq:') ? value.slice(3) : value;
  const number = Number(wanted);
  const values = wanted.trim() !== '' && Number.isFinite(number) ? [wanted, number] : [wanted];
  return [{ ...split(key), type: '$in', value: values }];
}

/** `[scope/]attribute[:asc|desc]`, descending unless it says otherwise. */
function sortTerm(text: string): SortTerm {
  const order = /:(asc|desc)$/.exec(text)?.[1];
  return { ...split(order ? text.slice(0, -order.length - 1) : text), order: order === 'asc' ? 'asc' : 'desc' };
}

/** Of whoever is confined, the devices of his groups only. */
const within = (scope: Scope): { within?: readonly string[] } => (scope === 'all' ? {} : { within: scope });
