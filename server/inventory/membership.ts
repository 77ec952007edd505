import { sql, type RawBuilder, type SqlBool } from 'kysely';
import type { Queries } from '../store/store.ts';

/** Whether a device is in any of some static groups. No groups: it is in none of them. One indexed read. */
export async function isMember(db: Queries, deviceId: string, groups: readonly string[]): Promise<boolean> {
  const mine = await groupsOf(db, deviceId);
  return mine.some((group) => groups.includes(group));
}

export function inGroups(
  column: 'devices.id' | 'attributes.device_id' | 'device_deployments.device_id' | 'presence.device_id',
  groups: readonly string[],
): RawBuilder<SqlBool> {
  if (groups.length === 0) return sql<SqlBool>`1 = 0`;
  return sql<SqlBool>`${sql.ref(column)} in (select member.device_id from attributes as member
    where member.scope = 'system' and member.name = 'group' and member.text in (${sql.join(groups)}))`;
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
