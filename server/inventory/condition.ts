import { type Expression, type ExpressionBuilder, sql, type SqlBool } from 'kysely';
import type { FilterTerm } from '#proto/http/devices';
import { badRequest } from '../errors.ts';
import type { Database } from '../store/tables.ts';
import { head, headed, isAnyText, isWhole } from './head.ts';

export type Devices = ExpressionBuilder<Database, 'devices'>;

/** A term that an index answers; `$regex` is for `scan.ts`. */
export type Term = FilterTerm & { readonly type: Exclude<FilterTerm['type'], '$regex'> };

/** Devices have these in columns of their own (`server-api.md` §2.5). */
export type Column = 'devices.id' | 'devices.status';
export const columnOf = ({ scope, attribute }: Pick<FilterTerm, 'scope' | 'attribute'>): Column | undefined =>
  scope !== 'identity'
    ? undefined
    : attribute === 'id'
      ? 'devices.id'
      : attribute === 'status'
        ? 'devices.status'
        : undefined;

const never = sql<SqlBool>`1 = 0`;
const always = sql<SqlBool>`1 = 1`;
/** Each of these has an index of its own. */
const anything = [
  sql<SqlBool>`text is not null`,
  sql<SqlBool>`num is not null`,
  sql<SqlBool>`text is null and num is null`,
];

/**
 * True for the devices that a term means: a value of another type does not match, an array does if any element does. What
 * is asked for is found by index; what is ruled out is looked up a device at a time.
 */
export function condition(e: Devices, term: Term): Expression<SqlBool> {
  const column = columnOf(term);
  if (column) return onColumn(column, term);
  const { type, value, attribute } = term;
  switch (type) {
    case '$exists':
      if (typeof value !== 'boolean') throw badRequest(`filter ${attribute}: $exists takes true or false`);
      return value ? some(e, term, anything) : none(e, term, always);
    case '$eq':
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      return some(e, term, [compare(operators[type], scalar(term))]);
    case '$ne':
      return none(e, term, compare('=', scalar(term)));
    case '$in':
      return some(e, term, anyOf(list(term)));
    case '$nin':
      return none(e, term, e.or(anyOf(list(term))));
  }
}

/** Devices with a row that one of the matches holds for, each by its own index. */
function some(e: Devices, term: Term, matches: readonly Expression<SqlBool>[]): Expression<SqlBool> {
  const found = matches.map((match) =>
    e
      .selectFrom('attributes')
      .select('attributes.device_id')
      .where('attributes.scope', '=', term.scope)
      .where('attributes.name', '=', term.attribute)
      .where(match),
  );
  const [first, ...others] = found;
  if (!first) return never;
  return e(
    'devices.id',
    'in',
    others.reduce((all, next) => all.unionAll(next), first),
  );
}

/** Devices without a row that the match holds for. */
function none(e: Devices, term: Term, match: Expression<SqlBool>): Expression<SqlBool> {
  return e.not(
    e.exists(
      e
        .selectFrom('attributes')
        .select('attributes.device_id')
        .whereRef('attributes.device_id', '=', 'devices.id')
        .where('attributes.scope', '=', term.scope)
        .where('attributes.name', '=', term.attribute)
        .where(match),
    ),
  );
}

const operators = { $eq: '=', $ne: '!=', $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' } as const;
type Operator = (typeof operators)[keyof typeof operators];

function onColumn(column: Column, term: Term): Expression<SqlBool> {
  const ref = sql.ref(column);
  const { type, value } = term;
  switch (type) {
    case '$exists':
      return value === false ? never : always;
    case '$in':
    case '$nin': {
      const values = list(term).map(String);
      if (values.length === 0) return type === '$in' ? never : always;
      return type === '$in'
        ? sql<SqlBool>`${ref} in (${sql.join(values)})`
        : sql<SqlBool>`${ref} not in (${sql.join(values)})`;
    }
    default:
      return sql<SqlBool>`${ref} ${sql.raw(operators[type])} ${String(scalar(term))}`;
  }
}

/** Text compares by its beginning, which is all that the index holds; that decides for every value that is no longer. */
function compare(operator: Operator, value: string | number | boolean): Expression<SqlBool> {
  if (typeof value === 'boolean') return sql<SqlBool>`(num ${sql.raw(operator)} ${Number(value)} and kind = 'b')`;
  if (typeof value === 'number') return sql<SqlBool>`num ${sql.raw(operator)} ${value}`;
  if (isWhole(value)) return sql<SqlBool>`(text is not null and ${headed('text')} ${sql.raw(operator)} ${value})`;
  const bound = sql.raw(operator === '>' ? '>=' : operator === '<' ? '<=' : operator);
  return sql<SqlBool>`(${headed('text')} ${bound} ${head(value)} and text ${sql.raw(operator)} ${value})`;
}

/** A match for the texts among some values, and one for the numbers. */
function anyOf(values: readonly (string | number | boolean)[]): Expression<SqlBool>[] {
  const texts = values.filter((value) => typeof value === 'string');
  const numbers = values.filter((value) => typeof value === 'number');
  const truths = values.filter((value) => typeof value === 'boolean').map(Number);
  return [
    ...(texts.length === 0 ? [] : [isAnyText('text', texts)]),
    ...(numbers.length === 0 ? [] : [sql<SqlBool>`num in (${sql.join(numbers)})`]),
    ...(truths.length === 0 ? [] : [sql<SqlBool>`(num in (${sql.join(truths)}) and kind = 'b')`]),
  ];
}

function scalar({ value, type, attribute }: Term): string | number | boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
    return value;
  throw badRequest(`filter ${attribute}: ${type} takes a text, a number, or true or false`);
}

function list({ value, type, attribute }: Term): (string | number | boolean)[] {
  if (!Array.isArray(value) || value.length > 1000)
    throw badRequest(`filter ${attribute}: ${type} takes a list of at most 1000 values`);
  return value.map((entry: unknown) => scalar({ value: entry, type, attribute } as Term));
}
