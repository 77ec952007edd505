import { Type } from 'typebox';
import type { AuditEntry } from '#proto/http/audit';
import { Text } from '#proto/http/conventions';
import { json, route, type Route } from '../http/route.ts';
import { pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import type { AuditLog } from './audit.ts';
import { momentOf } from './filter.ts';

/** The log as the reference's enterprise edition shows it (`server-api.md` §4.4). */
export function enterpriseRoute(audit: AuditLog): Route {
  return route(
    {
      method: 'GET',
      path: '/api/management/v1/auditlogs/logs',
      access: 'audit:read',
      summary: 'The audit log in the shape of the reference',
      query: Type.Object({
        ...PageQuery,
        actor_id: Type.Optional(Text(256)),
        actor_email: Type.Optional(Text(256)),
        object_id: Type.Optional(Text(256)),
        object_type: Type.Optional(Text(64)),
        created_after: Type.Optional(Type.String({ pattern: '^\\d{1,11}$' })),
        created_before: Type.Optional(Type.String({ pattern: '^\\d{1,11}$' })),
      }),
      responses: {
        200: { description: 'entries, newest first', body: Type.Array(Type.Unknown()) },
        400: { description: 'bad parameter' },
      },
    },
    async ({ query, req }) => {
      const page = pageOf(query);
      const time = (seconds: string | undefined): string | undefined =>
        momentOf('created', seconds && new Date(Number(seconds) * 1000).toISOString());
      const { entries, total } = await audit.list(
        {
          actor: query.actor_id ?? query.actor_email,
          objectType: query.object_type,
          objectId: query.object_id,
          since: time(query.created_after),
          until: time(query.created_before),
        },
        page.perPage,
        page.offset,
      );
      return json(200, entries.map(shapeOf), pageHeaders(req.originalUrl, page, { total }));
    },
  );
}

function shapeOf({ actor, action, object, time, details, after, before }: AuditEntry) {
  const change = before || after ? JSON.stringify({ before, after }) : undefined;
  const meta = Object.entries(details ?? {}).map(([key, value]): [string, string[]] => [
    key,
    (Array.isArray(value) ? value : [value]).map((each) => (typeof each === 'string' ? each : JSON.stringify(each))),
  ]);
  return {
    action,
    actor: { id: actor.id, type: actor.type, ...(actor.name === undefined ? {} : { email: actor.name }) },
    object: { id: object.id, type: object.type, ...(object.name === undefined ? {} : { name: object.name }) },
    ...(change === undefined ? {} : { change }),
    ...(meta.length > 0 ? { meta: Object.fromEntries(meta) } : {}),
    time,
  };
}
