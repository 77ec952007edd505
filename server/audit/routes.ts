import { Type } from 'typebox';
import { Text } from '#proto/http/conventions';
import { auditPath } from '#proto/http/users';
import { json, route, type Route } from '../http/route.ts';
import { pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import type { AuditLog } from './audit.ts';

const Query = Type.Object({
  ...PageQuery,
  actor: Type.Optional(Text(256)),
  action: Type.Optional(Text(64)),
  object_type: Type.Optional(Text(64)),
  object_id: Type.Optional(Text(256)),
  since: Type.Optional(Text(64)),
  until: Type.Optional(Text(64)),
});

export function auditRoutes(audit: AuditLog): Route[] {
  return [
    route(
      {
        method: 'GET',
        path: auditPath,
        access: 'audit:read',
        summary: 'The audit log, newest first',
        query: Query,
        responses: { 200: { description: 'entries', body: Type.Array(Type.Unknown()) } },
      },
      async ({ query, req }) => {
        const page = pageOf(query);
        const { actor, action, object_type: objectType, object_id: objectId, since, until } = query;
        const filter = { actor, action, objectType, objectId, since, until };
        const { entries, total } = await audit.list(
          Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)),
          page.perPage,
          page.offset,
        );
        return json(200, entries, pageHeaders(req.originalUrl, page, { total }));
      },
    ),
  ];
}
