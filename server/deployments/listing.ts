import { sql } from 'kysely';
import { badRequest, notFound } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { listOf } from '../http/paging.ts';
import { likeAnywhere } from '../store/like.ts';
import type { Queries } from '../store/store.ts';
import type { Deployments } from '../store/tables/deployments.ts';
import { deploymentsWithin, ofReach } from './confined.ts';

export interface DeploymentFilter {
  readonly status: string | undefined;
  readonly type: string | undefined;
  /** Part of the name or of the release's name. */
  readonly search: string | undefined;
  readonly createdBefore: string | undefined;
  readonly createdAfter: string | undefined;
  readonly ids: readonly string[];
  readonly names: readonly string[];
  /** If no deployment has the name: devices whose attribute has it as value. */
  readonly attribute: { readonly scope: string; readonly name: string } | undefined;
  readonly asc: boolean;
  /** Only those that have a device in reach. */
  readonly scope: Scope;
}

interface Query {
  readonly status?: string;
  readonly type?: string;
  readonly search?: string;
  readonly created_before?: string;
  readonly created_after?: string;
  readonly sort?: string;
  readonly id?: string | string[];
  readonly name?: string | string[];
  readonly id_attribute?: string;
  readonly id_scope?: string;
}

/** The filter of a query, of either version; 400 for what it cannot mean (`server-api.md` §2.2, §2.3). */
export function filterOf(query: Query, scope: Scope): DeploymentFilter {
  const { status, type, sort = 'desc' } = query;
  // `aborted` is a finished one to everybody but this filter.
  const known = status === 'aborted' ? 'finished' : status || undefined;
  if (known !== undefined && !['pending', 'inprogress', 'finished'].includes(known))
    throw badRequest(`status: no such status of a deployment: ${JSON.stringify(status)}`);
  if (type && type !== 'software' && type !== 'configuration')
    throw badRequest('type: must be software or configuration');
  if (!['', 'asc', 'desc'].includes(sort)) throw badRequest('sort: must be asc or desc');
  return {
    status: known,
    type: type || undefined,
    search: query.search || undefined,
    createdBefore: timeOf('created_before', query.created_before),
    createdAfter: timeOf('created_after', query.created_after),
    ids: listOf(query.id),
    names: listOf(query.name),
    attribute: attributeOf(query),
    asc: sort === 'asc',
    scope,
  };
}

function timeOf(name: string, seconds: string | undefined): string | undefined {
  if (!seconds) return undefined;
  if (!/^\d{1,11}$/.test(seconds)) throw badRequest(`${name}: must be seconds since the epoch`);
  return new Date(Number(seconds) * 1000).toISOString();
}

function attributeOf({ id_attribute: name, id_scope: scope }: Query): DeploymentFilter['attribute'] {
  if (!name) {
    if (scope) throw badRequest('id_scope: needs id_attribute');
    return undefined;
  }
  if (scope && !['identity', 'inventory', 'tags'].includes(scope))
    throw badRequest('id_scope: must be identity, inventory or tags');
  return { scope: scope || 'identity', name };
}

/** A page of deployments, newest first unless told otherwise. */
export async function listDeployments(
  db: Queries,
  filter: DeploymentFilter,
  page: { readonly perPage: number; readonly offset: number },
): Promise<{ rows: Deployments[]; total: number }> {
  let query = db.selectFrom('deployments');
  const { status, type, search, createdBefore, createdAfter, ids } = filter;
  if (status) query = query.where('status', '=', status);
  if (type) query = query.where('type', '=', type);
  if (createdBefore) query = query.where('created', '<', createdBefore);
  if (createdAfter) query = query.where('created', '>=', createdAfter);
  if (search)
    query = query.where((e) =>
      e.or([likeAnywhere('deployments.name', search), likeAnywhere('deployments.artifact_name', search)]),
    );
  if (ids.length > 0) query = query.where('id', 'in', ids);
  if (filter.scope !== 'all') query = query.where('id', 'in', deploymentsWithin(db, filter.scope));
  query = await named(db, query, filter);
  const direction = filter.asc ? 'asc' : 'desc';
  const rows = await query
    .selectAll()
    .orderBy('created', direction)
    .orderBy('id', direction)
    .limit(page.perPage)
    .offset(page.offset)
    .execute();
  const { total } = await query.select((e) => e.fn.countAll().as('total')).executeTakeFirstOrThrow();
  return { rows, total: Number(total) };
}

const allDeployments = (db: Queries) => db.selectFrom('deployments');
type DeploymentQuery = ReturnType<typeof allDeployments>;

async function named(db: Queries, query: DeploymentQuery, filter: DeploymentFilter): Promise<DeploymentQuery> {
  const { names, attribute, scope } = filter;
  if (names.length === 0) return query;
  let byName = allDeployments(db).select('id').where('name', 'in', names).limit(1);
  // Whether a name is taken somewhere else must not be told by what is found instead.
  if (scope !== 'all') byName = byName.where('id', 'in', deploymentsWithin(db, scope));
  if (!attribute || (await byName.executeTakeFirst())) return query.where('name', 'in', names);
  return query.where('id', 'in', (e) =>
    e
      .selectFrom('device_deployments')
      .select('deployment_id')
      .innerJoin('attributes', 'attributes.device_id', 'device_deployments.device_id')
      .where('attributes.scope', '=', attribute.scope)
      .where('attributes.name', '=', attribute.name)
      // As the index spells it, then in full.
      .where(
        sql`substr(attributes.text, 1, 200)`,
        'in',
        names.map((name) => name.slice(0, 200)),
      )
      .where('attributes.text', 'in', names)
      .where(ofReach(scope)),
  );
}

export async function findDeployment(db: Queries, id: string): Promise<Deployments> {
  const row = await db.selectFrom('deployments').selectAll().where('id', '=', id).executeTakeFirst();
  if (!row) throw notFound(`no deployment ${id}`);
  return row;
}
