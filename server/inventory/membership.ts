import { type Expression, expressionBuilder, sql, type SqlBool } from 'kysely';
import type { Queries } from '../store/store.ts';
import type { Database } from '../store/tables.ts';
import { isAnyText } from './head.ts';

// A static group is a value of the attribute `system/group`, which a device may have several of: its first is what the
// reference's routes show (`server-api.md` §2.4), the others are found by filters like elements of an array.

/** Whether a device is in any of some static groups. No groups: it is in none of them. One indexed read. */
export async function isMember(db: Queries, deviceId: string, groups: readonly string[]): Promise<boolean> {
  if (groups.length === 0) return false;
  const row = await db
    .selectFrom('attributes')
    .select('device_id')
    .where('device_id', '=', deviceId)
    .where('scope', '=', 'system')
    .where('name', '=', 'group')
    .where('text', 'in', groups)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/**
 * The same as a condition, for a list whose rows name a device in `column`: `query.where(inGroups('devices.id', groups))`.
 * No groups: false for every row. Found by index, so it may be what a list is found by.
 */
export function inGroups(column: string, groups: readonly string[]): Expression<SqlBool> {
  const e = expressionBuilder<Database, 'attributes'>();
  if (groups.length === 0) return e.lit(false) as Expression<SqlBool>;
  return e(
    sql.ref(column),
    'in',
    e
      .selectFrom('attributes as member')
      .select('member.device_id')
      .where('member.scope', '=', 'system')
      .where('member.name', '=', 'group')
      .where(isAnyText('member.text', groups)),
  );
}

/** The groups of a device, the first of them first. */
export async function groupsOf(db: Queries, deviceId: string): Promise<string[]> {
  const rows = await db
    .selectFrom('attributes')
    .select('text')
    .where('device_id', '=', deviceId)
    .where('scope', '=', 'system')
    .where('name', '=', 'group')
    .orderBy('seq')
    .execute();
  return rows.flatMap(({ text }) => (text === null ? [] : [text]));
}

/** Puts a device into exactly these groups, the first of them first. */
export async function setGroups(tx: Queries, deviceId: string, groups: readonly string[], ts: string): Promise<void> {
  await tx
    .deleteFrom('attributes')
    .where('device_id', '=', deviceId)
    .where('scope', '=', 'system')
    .where('name', '=', 'group')
    .execute();
  if (groups.length === 0) return;
  const row = { device_id: deviceId, scope: 'system', name: 'group', num: null, description: null, ts };
  await tx
    .insertInto('attributes')
    .values(groups.map((text, seq) => ({ ...row, seq, kind: seq === 0 ? 's' : 'h', text })))
    .execute();
}
