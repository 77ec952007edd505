import { Type } from 'typebox';
import { type FilterTerm, InventoryDevice, inventoryScopes } from '#proto/http/devices';
import { OneOf, Text } from '#proto/http/conventions';
import { badRequest } from '../errors.ts';
import { pageHeaders, pageOf } from '../http/paging.ts';
import { json, type Route, route, scopeOf } from '../http/route.ts';
import type { Inventory } from './inventory.ts';

const Wanted = Type.Object({ scope: OneOf(inventoryScopes), attribute: Text(1024, 1) });
const Body = Type.Object({
  scope: OneOf(['identity', 'tags']),
  name: Text(1024, 1),
  value_prefix: Text(1024),
  attributes: Type.Optional(Type.Array(Wanted, { maxItems: 100 })),
  page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000 })),
  per_page: Type.Optional(Type.Integer({ minimum: 1 })),
});

/**
 * Devices one of whose names begins so: an identity attribute, the device's id (`identity/id`), or the tag `name`. In the
 * published contract, and in no server of the reference (`server-api.md` §7).
 */
export function identitySearchRoute(inventory: Inventory): Route {
  return route(
    {
      method: 'POST',
      path: '/api/management/v2alpha1/inventory/identities/search',
      access: 'inventory:read',
      confined: 'handler',
      summary: 'Search devices by the beginning of a name',
      body: Body,
      responses: {
        200: { description: 'a page of devices', body: Type.Array(InventoryDevice) },
        400: { description: 'a name that is not searched by' },
      },
    },
    async (context) => {
      const { req, body } = context;
      const scope = scopeOf(context, 'inventory:read');
      if (body.scope === 'tags' && body.name !== 'name') throw badRequest('name: of tags only "name" is searched by');
      const page = pageOf({ page: String(body.page ?? 1), per_page: String(body.per_page ?? 20) });
      const term = { scope: body.scope, attribute: body.name };
      // From the beginning itself to the last text that begins so: an index finds both ends.
      const filters: FilterTerm[] = [
        { ...term, type: '$gte', value: body.value_prefix },
        { ...term, type: '$lt', value: `${body.value_prefix}\u{10ffff}` },
      ];
      const { devices, total } = await inventory.search(
        { filters, sort: [], ...(scope === 'all' ? {} : { within: scope }) },
        page.perPage,
        page.offset,
      );
      const wanted = new Set(body.attributes?.map(({ scope, attribute }) => `${scope} ${attribute}`));
      const shown = devices.map((device) =>
        wanted.size === 0
          ? device
          : { ...device, attributes: device.attributes.filter(({ scope, name }) => wanted.has(`${scope} ${name}`)) },
      );
      return json(200, shown, pageHeaders(req.originalUrl, page, { total }));
    },
  );
}
