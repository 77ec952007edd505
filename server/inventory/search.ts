import { type Expression, expressionBuilder, sql, type SqlBool } from 'kysely';
import type { FilterTerm } from '#proto/http/devices';
import { isOneOf } from '../store/list.ts';
import type { Queries } from '../store/store.ts';
import type { Database } from '../store/tables.ts';
import { columnOf, condition, type Devices, type Term } from './condition.ts';
import { headed } from './head.ts';
import { inGroups } from './membership.ts';
import { compile, containing, matching } from './scan.ts';

export interface SortTerm {
  readonly scope: FilterTerm['scope'];
  readonly attribute: string;
  readonly order: 'asc' | 'desc';
}

/** All that is given must hold. */
export interface Search {
  readonly filters: readonly FilterTerm[];
  readonly sort: readonly SortTerm[];
  readonly ids?: readonly string[];
  /** Stands in the id, the group, or any text of a device. */
  readonly text?: string;
  /** In this static group; '' in any, null in none. */
  readonly group?: string | null;
  /** In one of these static groups: all that the caller may see. */
  readonly within?: readonly string[];
}

interface Page {
  readonly limit: number;
  readonly offset: number;
}

/** The page of device ids that a search finds, and how many it finds in all (`server-api.md` §2.5). */
export async function searchDevices(
  db: Queries,
  search: Search,
  limit: number,
  offset: number,
): Promise<{ ids: string[]; total: number }> {
  const where = await whereOf(db, search);
  const { n } = await db
    .selectFrom('devices')
    .where(where)
    .select((e) => e.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow();
  const page = { limit, offset };
  // Past the end there is nothing, and nothing to sort (lesson 31).
  if (offset >= n) return { ids: [], total: n };
  const [only, ...more] = search.sort;
  const byAttribute = only && more.length === 0 && !columnOf(only);
  return {
    ids: byAttribute ? await inBlocks(db, where, only, n, page) : await sorted(db, where, search.sort, page),
    total: n,
  };
}

/** The ids of all devices that a search finds. */
export async function findDevices(db: Queries, search: Search): Promise<string[]> {
  const rows = await db
    .selectFrom('devices')
    .select('id')
    .where(await whereOf(db, search))
    .orderBy('id')
    .execute();
  return rows.map(({ id }) => id);
}

/** How many devices a search finds. */
export async function countDevices(db: Queries, search: Search): Promise<number> {
  const where = await whereOf(db, search);
  const { n } = await db
    .selectFrom('devices')
    .where(where)
    .select((e) => e.fn.countAll<number>().as('n'))
    .executeTakeFirstOrThrow();
  return n;
}

/** 400 for terms that mean nothing, before they are kept. */
export function checkTerms(terms: readonly FilterTerm[]): void {
  const e = expressionBuilder<Database, 'devices'>();
  for (const term of terms)
    if (term.type === '$regex') compile(term);
    else condition(e, term as Term);
}

type Where = (e: Devices) => Expression<SqlBool>;
const everywhere: Where = (e) => e.and([]);

async function whereOf(db: Queries, search: Search): Promise<Where> {
  const scanned: ReadonlySet<string>[] = [];
  for (const term of search.filters) if (term.type === '$regex') scanned.push(await matching(db, term));
  if (search.text) scanned.push(await containing(db, search.text));
  const { filters, ids, group, within } = search;
  if (filters.length === 0 && scanned.length === 0 && ids === undefined && group === undefined && within === undefined)
    return everywhere;
  return (e) =>
    e.and([
      ...search.filters.filter((term): term is Term => term.type !== '$regex').map((term) => condition(e, term)),
      ...scanned.map((ids) => isOneOf(db, 'devices.id', [...ids])),
      ...(search.ids ? [isOneOf(db, 'devices.id', search.ids)] : []),
      ...(search.group === undefined ? [] : [ofGroup(e, search.group)]),
      ...(search.within === undefined ? [] : [inGroups('devices.id', search.within)]),
    ]);
}

function ofGroup(e: Devices, group: string | null): Expression<SqlBool> {
  if (group) return inGroups('devices.id', [group]);
  return condition(e, { scope: 'system', attribute: 'group', type: '$exists', value: group !== null });
}

/** In the order of several terms: all that is found is sorted. */
async function sorted(
  db: Queries,
  where: Where,
  sort: readonly SortTerm[],
  { limit, offset }: Page,
): Promise<string[]> {
  let query = db.selectFrom('devices').select('devices.id').where(where);
  for (const term of sort) {
    const column = columnOf(term);
    const nulls = term.order === 'asc' ? 'first' : 'last';
    const order = sql.raw(`${term.order} nulls ${nulls}`);
    if (column) query = query.orderBy(column, term.order);
    else for (const part of ['num', 'text'] as const) query = query.orderBy(sql`${valueOf(term, part)} ${order}`);
  }
  const rows = await query
    .orderBy('devices.id', sort[0]?.order ?? 'asc')
    .limit(limit)
    .offset(offset)
    .execute();
  return rows.map((row) => row.id);
}

const valueOf = ({ scope, attribute }: SortTerm, part: 'num' | 'text') => sql`(
  select ${part === 'num' ? sql`num` : headed('text')} from attributes
  where attributes.device_id = devices.id and scope = ${scope} and name = ${attribute} and seq = 0)`;

/**
 * In the order of one attribute: first the devices without it, then its texts, then its numbers (descending: the other way
 * round). Each block comes sorted out of an index, so a deep page costs little more than the first.
 */
async function inBlocks(
  db: Queries,
  where: Where,
  sort: SortTerm,
  total: number,
  { limit, offset }: Page,
): Promise<string[]> {
  const values = (column: 'text' | 'num') =>
    db
      .selectFrom('attributes')
      .where('attributes.scope', '=', sort.scope)
      .where('attributes.name', '=', sort.attribute)
      .where('attributes.seq', '=', 0)
      .where(`attributes.${column}`, 'is not', null)
      // Every attribute is a device's: without a condition there is nothing to look up.
      .$if(where !== everywhere, (q) =>
        q.where('attributes.device_id', 'in', (e) => e.selectFrom('devices').select('devices.id').where(where)),
      );
  const countOf = async (column: 'text' | 'num'): Promise<number> =>
    (
      await values(column)
        .select((e) => e.fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow()
    ).n;
  const pageOf = (column: 'text' | 'num') => async (page: Page) =>
    (
      await values(column)
        .select('attributes.device_id as id')
        .orderBy(column === 'num' ? sql`num` : headed('text'), sort.order)
        .orderBy('attributes.device_id', sort.order)
        .limit(page.limit)
        .offset(page.offset)
        .execute()
    ).map((row) => row.id);
  const without = async (page: Page) =>
    (
      await db
        .selectFrom('devices')
        .select('devices.id')
        .where(where)
        .where((e) =>
          e.not(
            e.exists(
              e
                .selectFrom('attributes')
                .select('attributes.device_id')
                .whereRef('attributes.device_id', '=', 'devices.id')
                .where('attributes.scope', '=', sort.scope)
                .where('attributes.name', '=', sort.attribute)
                .where('attributes.seq', '=', 0),
            ),
          ),
        )
        .orderBy('devices.id', sort.order)
        .limit(page.limit)
        .offset(page.offset)
        .execute()
    ).map((row) => row.id);
  const [texts, numbers] = [await countOf('text'), await countOf('num')];
  const blocks = [
    { size: Math.max(0, total - texts - numbers), page: without },
    { size: texts, page: pageOf('text') },
    { size: numbers, page: pageOf('num') },
  ];
  if (sort.order === 'desc') blocks.reverse();
  const ids: string[] = [];
  let begin = 0;
  for (const { size, page } of blocks) {
    const from = Math.max(0, offset + ids.length - begin);
    if (ids.length < limit && from < size)
      ids.push(...(await page({ limit: Math.min(limit - ids.length, size - from), offset: from })));
    begin += size;
  }
  return ids;
}
