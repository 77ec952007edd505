import type { AttributeValue, InventoryScope } from '#proto/http/devices';
import type { Db } from '../store/store.ts';
import type { Attributes } from '../store/tables.ts';
import { rowsOf } from './attributes.ts';

export interface TestDevice {
  readonly id: string;
  readonly status: string;
  readonly attributes: readonly {
    readonly scope: InventoryScope;
    readonly name: string;
    readonly value: AttributeValue;
  }[];
  readonly groups: readonly string[];
}

const portion = 1000;

/** Many devices straight into the database, by few statements. */
export async function insertFleet(db: Db, devices: Iterable<TestDevice>): Promise<void> {
  const ts = new Date().toISOString();
  let waiting: TestDevice[] = [];
  const flush = async (): Promise<void> => {
    const rows = waiting.flatMap((device) => rowsOfDevice(device, ts));
    await db.transaction().execute(async (tx) => {
      await tx
        .insertInto('devices')
        .values(
          waiting.map(({ id, status }) => ({
            ...usual,
            id,
            identity_hash: id,
            status,
            created_ts: ts,
            updated_ts: ts,
          })),
        )
        .execute();
      for (let at = 0; at < rows.length; at += portion)
        await tx
          .insertInto('attributes')
          .values(rows.slice(at, at + portion))
          .execute();
    });
    waiting = [];
  };
  for (const device of devices) {
    waiting.push(device);
    if (waiting.length === portion) await flush();
  }
  if (waiting.length > 0) await flush();
}

const usual = { identity: '{}', decommissioning: 0, check_in_time: null, inventory_hash: null };

function rowsOfDevice({ id, status, attributes, groups }: TestDevice, ts: string): Attributes[] {
  const group = { device_id: id, scope: 'system', name: 'group', num: null, description: null, ts };
  return [
    ...attributes.flatMap(({ scope, ...value }) => rowsOf(id, scope, value, ts)),
    ...rowsOf(id, 'identity', { name: 'status', value: status }, ts),
    ...groups.map((text, seq) => ({ ...group, seq, kind: seq === 0 ? 's' : 'h', text })),
  ];
}
