import type { Attribute, InventoryScope, KnownValue } from '#proto/http/devices';
import type { Attributes } from '../store/tables/devices.ts';
import { isOneOf } from '../store/list.ts';
import type { Queries } from '../store/store.ts';

export interface Value {
  readonly name: string;
  readonly value: KnownValue;
  readonly description?: string;
}

/** The rows of one attribute: one for a value, one an element for an array. */
export function rowsOf(
  deviceId: string,
  scope: InventoryScope,
  { name, value, description }: Value,
  ts: string,
): Attributes[] {
  const row = (seq: number, kind: string, entry: string | number | boolean | null): Attributes => ({
    device_id: deviceId,
    scope,
    name,
    seq,
    kind,
    text: typeof entry === 'string' ? entry : null,
    num: typeof entry === 'string' ? null : entry === null ? null : Number(entry),
    description: description ?? null,
    ts,
  });
  if (!Array.isArray(value))
    return [row(0, typeof value === 'string' ? 's' : typeof value === 'boolean' ? 'b' : 'n', value)];
  if (value.length === 0) return [row(-1, 'S', null)];
  return value.map((entry, seq) => row(seq, typeof entry === 'string' ? 'S' : 'N', entry));
}

/** Replaces a whole scope of a device. */
export async function replaceScope(
  tx: Queries,
  deviceId: string,
  scope: InventoryScope,
  values: readonly Value[],
  ts: string,
): Promise<void> {
  await tx.deleteFrom('attributes').where('device_id', '=', deviceId).where('scope', '=', scope).execute();
  await insert(
    tx,
    values.flatMap((value) => rowsOf(deviceId, scope, value, ts)),
  );
}

/** Sets some attributes of a scope and leaves the others. */
export async function mergeScope(
  tx: Queries,
  deviceId: string,
  scope: InventoryScope,
  values: readonly Value[],
  ts: string,
): Promise<void> {
  if (values.length === 0) return;
  await tx
    .deleteFrom('attributes')
    .where('device_id', '=', deviceId)
    .where('scope', '=', scope)
    .where(
      'name',
      'in',
      values.map((value) => value.name),
    )
    .execute();
  await insert(
    tx,
    values.flatMap((value) => rowsOf(deviceId, scope, value, ts)),
  );
}

/** The same of several devices at once. */
export async function mergeScopes(
  tx: Queries,
  scope: InventoryScope,
  values: ReadonlyMap<string, readonly Value[]>,
  ts: string,
): Promise<void> {
  const names = new Set([...values.values()].flatMap((given) => given.map(({ name }) => name)));
  for (const name of names) {
    const ids = [...values].filter(([, given]) => given.some((one) => one.name === name)).map(([id]) => id);
    await tx
      .deleteFrom('attributes')
      .where(isOneOf(tx, 'device_id', ids))
      .where('scope', '=', scope)
      .where('name', '=', name)
      .execute();
  }
  await insert(
    tx,
    [...values].flatMap(([id, given]) => given.flatMap((value) => rowsOf(id, scope, value, ts))),
  );
}

async function insert(tx: Queries, rows: Attributes[]): Promise<void> {
  // SQLite takes 32766 parameters a statement.
  for (let at = 0; at < rows.length; at += 1000)
    await tx
      .insertInto('attributes')
      .values(rows.slice(at, at + 1000))
      .execute();
}

/** Attributes as the API shows them, from their rows in order of (scope, name, seq). */
export function attributesOf(rows: readonly Attributes[]): Attribute[] {
  const found = new Map<string, Attribute>();
  for (const row of rows) {
    if (row.kind === 'h') continue;
    const key = `${row.scope} ${row.name}`;
    const single = row.kind === 's' || row.kind === 'n' || row.kind === 'b';
    const entry = row.text ?? row.num ?? '';
    const known = found.get(key);
    if (known && Array.isArray(known.value)) (known.value as (string | number)[]).push(entry);
    else
      found.set(key, {
        name: row.name,
        value: row.kind === 'b' ? entry === 1 : single ? entry : row.seq < 0 ? [] : ([entry] as string[] | number[]),
        scope: row.scope as InventoryScope,
        ...(row.description === null ? {} : { description: row.description }),
        ...(row.scope === 'tags' || row.scope === 'system' ? {} : { timestamp: row.ts }),
      });
  }
  return [...found.values()];
}
