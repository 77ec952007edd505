import type { AttributeValue, InventoryScope } from '#proto/http/devices';
import { insertRows } from '../backup/tables.ts';
import type { Db, Queries } from '../store/store.ts';
import type { Attributes } from '../store/tables/devices.ts';
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

const portion = 2000;

/** Many devices straight into the database, by few statements. */
export async function insertFleet(db: Db, devices: Iterable<TestDevice>): Promise<void> {
  const ts = new Date().toISOString();
  let waiting: TestDevice[] = [];
  const flush = async (): Promise<void> => {
    const devices = waiting.map(({ id, status }) => ({
      ...usual,
      id,
      identity_hash: id,
      status,
      created_ts: ts,
      updated_ts: ts,
    }));
    const attributes = waiting.flatMap((device) => rowsOfDevice(device, ts));
    await db.transaction().execute(async (tx) => {
      await insertAll(tx, 'devices', devices);
      await insertAll(tx, 'attributes', attributes);
    });
    waiting = [];
  };
  for (const device of devices) {
    waiting.push(device);
    if (waiting.length === portion) await flush();
  }
  if (waiting.length > 0) await flush();
}

async function insertAll(tx: Queries, name: string, rows: readonly object[]): Promise<void> {
  const columns = Object.keys(rows[0] ?? {});
  await insertRows(
    tx,
    { name, columns },
    rows.map((row) => columns.map((column) => (row as Record<string, unknown>)[column])),
  );
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
