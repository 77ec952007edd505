import { setImmediate as others } from 'node:timers/promises';
import { sql } from 'kysely';
import { RE2JS } from 're2js';
import type { FilterTerm } from '#proto/http/devices';
import { badRequest } from '../errors.ts';
import { likeAnywhere } from '../store/like.ts';
import type { Queries } from '../store/store.ts';
import { columnOf } from './condition.ts';
import { headed } from './head.ts';

// What no index answers: regular expressions, and texts that stand anywhere. A portion at a time: between two the server
// does something else, and on SQLite nothing else could happen meanwhile.

const portion = 2000;
const patternLimit = 256;

/**
 * The devices whose attribute a pattern is found in (`$regex`, unanchored). By RE2 on either database: it means the same
 * on both, and runs in time linear to the text, so a pattern from outside cannot stall the server.
 */
export async function matching(db: Queries, term: FilterTerm): Promise<Set<string>> {
  const pattern = compile(term);
  const known = new Map<string, boolean>();
  const holds = (text: string): boolean => {
    const before = known.get(text);
    if (before !== undefined) return before;
    if (known.size >= portion) known.clear();
    const found = pattern.matcher(text).find();
    known.set(text, found);
    return found;
  };
  const found = new Set<string>();
  for await (const rows of columnOf(term) ? columnRows(db, term) : attributeRows(db, term))
    for (const { id, text } of rows) if (holds(text)) found.add(id);
  return found;
}

interface Row {
  readonly id: string;
  readonly text: string;
}

async function* columnRows(db: Queries, term: FilterTerm): AsyncGenerator<Row[]> {
  for (let last = ''; ;) {
    const rows = await db
      .selectFrom('devices')
      .select(['devices.id', sql.ref<string>(columnOf(term) ?? 'devices.id').as('text')])
      .where('devices.id', '>', last)
      .orderBy('devices.id')
      .limit(portion)
      .execute();
    yield rows;
    if (rows.length < portion) return;
    last = rows.at(-1)?.id ?? '';
    await others();
  }
}

/** All texts of an attribute, in the order of its index. */
async function* attributeRows(db: Queries, { scope, attribute }: FilterTerm): AsyncGenerator<Row[]> {
  const all = db
    .selectFrom('attributes')
    .select(['device_id as id', sql<string>`text`.as('text'), headed('text').as('head'), 'seq'])
    .where('scope', '=', scope)
    .where('name', '=', attribute)
    .where('text', 'is not', null)
    .orderBy(headed('text'))
    .orderBy('device_id')
    .orderBy('seq')
    .limit(portion);
  for (let page = all; ;) {
    const rows = await page.execute();
    yield rows;
    const last = rows.at(-1);
    if (!last || rows.length < portion) return;
    page = all.where(sql<boolean>`(${headed('text')}, device_id, seq) > (${last.head}, ${last.id}, ${last.seq})`);
    await others();
  }
}

/** 400 for what is no regular expression of RE2. */
export function compile({ value, attribute }: FilterTerm): RE2JS {
  if (typeof value !== 'string' || value.length > patternLimit)
    throw badRequest(`filter ${attribute}: $regex takes a text of at most ${patternLimit} characters`);
  try {
    return RE2JS.compile(value);
  } catch {
    throw badRequest(`filter ${attribute}: not a regular expression (RE2): ${JSON.stringify(value)}`);
  }
}

/** Where a text is looked for (`server-api.md` §2.5, `text`); the group is one of `system`. */
const searched = ['identity', 'inventory', 'tags', 'system'];

/** The devices whose id, group or any text contains a text, whatever the case. */
export async function containing(db: Queries, text: string): Promise<Set<string>> {
  const found = new Set<string>();
  for (let last = ''; ;) {
    const devices = await db
      .selectFrom('devices')
      .select(['id', likeAnywhere('devices.id', text).as('hit')])
      .where('id', '>', last)
      .orderBy('id')
      .limit(portion)
      .execute();
    const end = devices.at(-1)?.id;
    if (end === undefined) return found;
    for (const { id, hit } of devices) if (hit) found.add(id);
    const rows = await db
      .selectFrom('attributes')
      .select('device_id')
      .distinct()
      .where('device_id', '>', last)
      .where('device_id', '<=', end)
      .where('scope', 'in', searched)
      .where(likeAnywhere('attributes.text', text))
      .execute();
    for (const { device_id } of rows) found.add(device_id);
    if (devices.length < portion) return found;
    last = end;
    await others();
  }
}
