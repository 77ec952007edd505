import { sql, type Expression, type ExpressionBuilder, type SqlBool } from 'kysely';
import type { FilterTerm } from '#proto/http/devices';
import { badRequest } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { inGroups } from './membership.ts';
import type { Db } from '../store/store.ts';
import type { Database } from '../store/tables.ts';

type Devices = ExpressionBuilder<Database, 'devices'>;
export interface SortTerm {
  readonly scope: string;
  readonly attribute: string;
  readonly order: 'asc' | 'desc';
}
export interface Search {
  readonly filters: readonly FilterTerm[];
  readonly sort: readonly SortTerm[];
  readonly ids?: readonly string[];
  readonly text?: string;
  readonly group?: string | null;
  /** Only devices in reach. */
  readonly scope: Scope;
}

/**
 * The page of device ids that a search finds, and how many it finds in all (`server-api.md` §2.5). All filters are
 * AND-ed; a value of another type simply does not match; an array matches if any element does.
 */
export async function searchDevices(
  db: Db,
  search: Search,
  limit: number,
  offset: number,
): Promise<{ ids: string[]; total: number }> {
  const where = (e: Devices): Expression<SqlBool> => {
    const all: Expression<SqlBool>[] = search.filters.map((term) => condition(e, term));
    if (search.ids) all.push(search.ids.length > 0 ? e('devices.id', 'in', search.ids) : sql<SqlBool>`1 = 0`);
    if (search.text) all.push(anywhere(e, search.text));
    if (search.group !== undefined) all.push(inGroup(e, search.group));
    if (search.scope !== 'all') all.push(inGroups('devices.id', search.scope));
    return e.and(all);
  };
  const { n } = await db
    .selectFrom('devices')
    .where(where)
    .select((e) => e.fn.countAll<number | string>().as('n'))
    .executeTakeFirstOrThrow();
  let query = db.selectFrom('devices').select('devices.id').where(where);
  for (const { scope, attribute, order } of search.sort) {
    if (scope === 'identity' && attribute === 'id') query = query.orderBy('devices.id', order);
    else if (scope === 'identity' && attribute === 'status') query = query.orderBy('devices.status', order);
    else {
      const value = (column: 'num' | 'text') => (e: Devices) =>
        e
          .selectFrom('attributes')
          .select(column)
          .whereRef('attributes.device_id', '=', 'devices.id')
          .where('attributes.scope', '=', scope)
          .where('attributes.name', '=', attribute)
          .where('attributes.seq', '=', 0);
      query = query.orderBy(value('num'), order).orderBy(value('text'), order);
    }
  }
  const rows = await query.orderBy('devices.id').limit(limit).offset(offset).execute();
  return { ids: rows.map((row) => row.id), total: Number(n) };
}

function inGroup(e: Devices, group: string | null): Expression<SqlBool> {
  const member = e.exists(
    e
      .selectFrom('attributes')
      .select('attributes.device_id')
      .whereRef('attributes.device_id', '=', 'devices.id')
      .where('scope', '=', 'system')
      .where('name', '=', 'group')
      .$if(group !== null && group !== '', (q) => q.where('text', '=', group)),
  );
  return group === null ? e.not(member) : member;
}

function anywhere(e: Devices, text: string): Expression<SqlBool> {
  const like = `%${text.replaceAll(/[\\%_]/g, (c) => `\\${c}`)}%`;
  return e.or([
    sql<SqlBool>`devices.id like ${like} escape '\\'`,
    e.exists(
      e
        .selectFrom('attributes')
        .select('attributes.device_id')
        .whereRef('attributes.device_id', '=', 'devices.id')
        .where('scope', 'in', ['identity', 'inventory', 'tags', 'system'])
        .where(sql<SqlBool>`lower(text) like lower(${like}) escape '\\'`),
    ),
  ]);
}

function condition(e: Devices, { scope, attribute, type, value }: FilterTerm): Expression<SqlBool> {
  if (scope === 'identity' && attribute === 'id') return onColumn('devices.id', type, value);
  if (scope === 'identity' && attribute === 'status') return onColumn('devices.status', type, value);
  const rows = (match?: Expression<SqlBool>) =>
    e.exists(
      e
        .selectFrom('attributes')
        .select('attributes.device_id')
        .whereRef('attributes.device_id', '=', 'devices.id')
        .where('attributes.scope', '=', scope)
        .where('attributes.name', '=', attribute)
        .$if(match !== undefined, (q) => q.where(match ?? sql<SqlBool>`1 = 1`)),
    );
  switch (type) {
    case '$exists':
      if (typeof value !== 'boolean') throw badRequest(`filter ${scope}/${attribute}: $exists takes true or false`);
      return value ? rows() : e.not(rows());
    case '$eq':
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return rows(compare(operators[type], scalar(value, type, attribute)));
    case '$ne':
      return e.not(rows(compare('=', scalar(value, type, attribute))));
    case '$in':
      return rows(anyOf(list(value, type, attribute)));
    case '$nin':
      return e.not(rows(anyOf(list(value, type, attribute))));
    case '$regex':
      return rows(sql<SqlBool>`text regexp ${pattern(value, attribute)}`);
  }
}

const operators = { $eq: '=', $ne: '!=', $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' } as const;
type Operator = (typeof operators)[keyof typeof operators];

function onColumn(
  column: 'devices.id' | 'devices.status',
  type: FilterTerm['type'],
  value: unknown,
): Expression<SqlBool> {
  const ref = sql.ref(column);
  if (type === '$exists') return value === false ? sql<SqlBool>`1 = 0` : sql<SqlBool>`1 = 1`;
  if (type === '$regex') return sql<SqlBool>`${ref} regexp ${pattern(value, column)}`;
  if (type === '$in' || type === '$nin') {
    const values = list(value, type, column).map(String);
    if (values.length === 0) return type === '$in' ? sql<SqlBool>`1 = 0` : sql<SqlBool>`1 = 1`;
    return type === '$in'
      ? sql<SqlBool>`${ref} in (${sql.join(values)})`
      : sql<SqlBool>`${ref} not in (${sql.join(values)})`;
  }
  return sql<SqlBool>`${ref} ${sql.raw(operators[type])} ${String(scalar(value, type, column))}`;
}

/** Text compares by its first 200 characters first: that is what the index holds. */
function compare(operator: Operator, value: string | number): Expression<SqlBool> {
  if (typeof value === 'number') return sql<SqlBool>`num ${sql.raw(operator)} ${value}`;
  if (operator === '=') return sql<SqlBool>`substr(text, 1, 200) = ${value.slice(0, 200)} and text = ${value}`;
  return sql<SqlBool>`text ${sql.raw(operator)} ${value}`;
}

function anyOf(values: readonly (string | number)[]): Expression<SqlBool> {
  if (values.length === 0) return sql<SqlBool>`1 = 0`;
  return sql<SqlBool>`(${sql.join(
    values.map((value) => compare('=', value)),
    sql` or `,
  )})`;
}

function scalar(value: unknown, type: string, name: string): string | number {
  if (typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value))) return value;
  throw badRequest(`filter ${name}: ${type} takes a text or a number`);
}

function list(value: unknown, type: string, name: string): (string | number)[] {
  if (!Array.isArray(value) || value.length > 1000)
    throw badRequest(`filter ${name}: ${type} takes a list of at most 1000 values`);
  return value.map((entry) => scalar(entry, type, name));
}

function pattern(value: unknown, name: string): string {
  if (typeof value !== 'string' || value.length > 256)
    throw badRequest(`filter ${name}: $regex takes a text of at most 256 characters`);
  return value;
}
