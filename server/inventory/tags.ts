import { createHash } from 'node:crypto';
import { Type } from 'typebox';
import { Text } from '#proto/http/conventions';
import { inventoryV1 } from '#proto/http/devices';
import { badRequest, HttpError, notFound } from '../errors.ts';
import { empty, route, type Route } from '../http/route.ts';
import type { Live } from '../live/live.ts';
import { now, type Db, type Queries } from '../store/store.ts';
import { attributesOf, mergeScope, replaceScope, type Value } from './attributes.ts';

const tagsPerDevice = 20;
const Body = Type.Array(
  Type.Object({ name: Text(1024, 1), value: Text(4096), description: Type.Optional(Text(4096)) }),
  { maxItems: 1000 },
);

/** Name of the present tags of a device: what `If-Match` must say. */
export async function tagVersion(db: Queries, deviceId: string): Promise<string> {
  const rows = await db
    .selectFrom('attributes')
    .selectAll()
    .where('device_id', '=', deviceId)
    .where('scope', '=', 'tags')
    .orderBy('name')
    .orderBy('seq')
    .execute();
  const text = JSON.stringify(attributesOf(rows).map(({ name, value, description }) => [name, value, description]));
  return `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
}

/** Tags that people give devices (`server-api.md` §2.4): PUT replaces, PATCH merges, both guarded by `If-Match`. */
export function tagRoutes(db: Db, live: Live): Route[] {
  const change = (method: 'PUT' | 'PATCH', set: typeof replaceScope): Route =>
    route(
      {
        method,
        path: `${inventoryV1}/devices/{id}/tags`,
        access: 'inventory:manage',
        confined: 'device',
        summary: method === 'PUT' ? "Replace a device's tags" : 'Set some tags of a device',
        body: Body,
        audit: 'device_tags',
        responses: { 200: { description: 'done' } },
      },
      async (context) => {
        const id = context.params['id'] ?? '';
        const tags = [...new Map(context.body.map((tag) => [tag.name, tag as Value])).values()];
        context.note({
          object: { type: 'device', id },
          details: { tags: Object.fromEntries(tags.map((tag) => [tag.name, tag.value])) },
        });
        const wanted = context.req.get('if-match');
        await db.transaction().execute(async (tx) => {
          if (!(await tx.selectFrom('devices').select('id').where('id', '=', id).executeTakeFirst()))
            throw notFound('device not found');
          if (wanted !== undefined && wanted !== (await tagVersion(tx, id)))
            throw new HttpError('precondition_failed', 'the tags were changed by somebody else: read them again');
          await set(tx, id, 'tags', tags, now());
          const names = await tx
            .selectFrom('attributes')
            .select('name')
            .distinct()
            .where('device_id', '=', id)
            .where('scope', '=', 'tags')
            .execute();
          if (names.length > tagsPerDevice) throw badRequest(`a device has at most ${tagsPerDevice} tags`);
        });
        live.tell('inventory', { id });
        return empty(200);
      },
    );
  return [change('PUT', replaceScope), change('PATCH', mergeScope)];
}
