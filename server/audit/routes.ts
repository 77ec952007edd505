import { once } from 'node:events';
import { Type } from 'typebox';
import { auditResults } from '#proto/http/audit';
import { OneOf, Repeated, Text } from '#proto/http/conventions';
import { auditPath } from '#proto/http/users';
import { json, route, type Context, type Reply, type Route } from '../http/route.ts';
import { listOf, pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import type { AuditLog } from './audit.ts';
import { csvHead, csvLine } from './csv.ts';
import { actionsOf, momentOf, resultsOf, type AuditFilter } from './filter.ts';
import { enterpriseRoute } from './enterprise-route.ts';

const filters = {
  actor: Type.Optional(Text(256)),
  action: Type.Optional(Repeated()),
  object_type: Type.Optional(Text(64)),
  object_id: Type.Optional(Text(256)),
  object: Type.Optional(Text(256)),
  result: Type.Optional(Repeated(auditResults.length)),
  address: Type.Optional(Text(64)),
  since: Type.Optional(Text(64)),
  until: Type.Optional(Text(64)),
};

interface Query {
  readonly actor?: string;
  readonly action?: string | string[];
  readonly object_type?: string;
  readonly object_id?: string;
  readonly object?: string;
  readonly result?: string | string[];
  readonly address?: string;
  readonly since?: string;
  readonly until?: string;
}

const filterOf = (query: Query): AuditFilter => ({
  actor: query.actor,
  actions: actionsOf(listOf(query.action)),
  objectType: query.object_type,
  objectId: query.object_id,
  object: query.object,
  results: resultsOf(listOf(query.result)),
  address: query.address,
  since: momentOf('since', query.since),
  until: momentOf('until', query.until),
});

export function auditRoutes(audit: AuditLog): Route[] {
  return [
    route(
      {
        method: 'GET',
        path: auditPath,
        access: 'audit:read',
        summary: 'The audit log, newest first',
        query: Type.Object({ ...PageQuery, ...filters }),
        responses: {
          200: { description: 'entries', body: Type.Array(Type.Unknown()) },
          400: { description: 'bad parameter' },
        },
      },
      async ({ query, req }) => {
        const page = pageOf(query);
        const { entries, total } = await audit.list(filterOf(query), page.perPage, page.offset);
        return json(200, entries, pageHeaders(req.originalUrl, page, { total }));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${auditPath}/export`,
        access: 'audit:read',
        summary: 'All entries that match, newest first, as a file: CSV, or a line of JSON each',
        query: Type.Object({ ...filters, format: Type.Optional(OneOf(['csv', 'jsonl'] as const)) }),
        audit: 'audit_export',
        responses: {
          200: { description: 'the file', type: 'text/csv', body: Type.String() },
          400: { description: 'bad parameter' },
        },
      },
      async (context) => {
        const { format = 'csv', ...asked } = context.query;
        const filter = filterOf(asked);
        context.note({ object: { type: 'audit', id: 'log' }, details: { format, ...asked } });
        return write(context, format, audit.all(filter));
      },
    ),
    enterpriseRoute(audit),
  ];
}

/** Streams it: neither here nor in the browser is the whole of it in memory. */
async function write({ res }: Context, format: 'csv' | 'jsonl', portions: ReturnType<AuditLog['all']>): Promise<Reply> {
  const line = format === 'csv' ? csvLine : (entry: unknown) => `${JSON.stringify(entry)}\n`;
  const name = `patchbay-audit-${new Date().toISOString().slice(0, 10)}.${format}`;
  res.status(200).set({
    'Content-Type':
      format === 'csv' ? 'text/csv; charset=utf-8; header=present' : 'application/x-ndjson; charset=utf-8',
    'Content-Disposition': `attachment; filename="${name}"`,
    'Cache-Control': 'no-store',
  });
  const gone = new Promise<void>((resolve) => res.once('close', resolve));
  if (format === 'csv') res.write(csvHead);
  for await (const entries of portions) {
    if (res.closed) break;
    if (!res.write(entries.map(line).join(''))) await Promise.race([once(res, 'drain'), gone]);
  }
  res.end();
  return 'streamed';
}
