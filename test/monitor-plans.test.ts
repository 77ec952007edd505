// How the databases answer what is asked of alerts all the time: by index, however many there are.
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql, type Kysely } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrations } from '../addons/monitor/server/migrations.ts';
import type { Tables } from '../addons/monitor/server/tables.ts';
import { availableDatabases, databaseFor } from '../server/stage.ts';
import { planOf } from '../server/store/plan.testing.ts';
import { type Db, migrateAddon, onPostgres, openStore } from '../server/store/store.ts';

describe.each(await availableDatabases())('on %s', (name) => {
  let folder = '';
  let db: Db;
  let tables: Kysely<Tables>;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-plans-'));
    db = await openStore(folder, await databaseFor(name));
    await migrateAddon(db, 'monitor', migrations);
    tables = db as unknown as Kysely<Tables>;
    const ts = new Date().toISOString();
    const row = (device_id: string, n: number) => ({
      device_id,
      ts,
      received: ts,
      seq: n,
      content: '{}',
      key: `k${n}`,
    });
    for (let device = 0; device < 50; device++) {
      const id = randomUUID();
      await tables
        .insertInto('addon_monitor_alerts')
        .values(Array.from({ length: 100 }, (_, n) => ({ ...row(id, n), id: randomUUID(), level: 'OK' })))
        .execute();
      const state = { name: 'x', since: ts, alert_id: 'x', acked_by: null, acked_ts: null, acked_note: null };
      await tables
        .insertInto('addon_monitor_states')
        .values(
          Array.from({ length: 20 }, (_, n) => {
            const bad = n === 0 ? 1 : 0;
            return { ...row(id, device * 20 + n), ...state, level: bad ? 'CRITICAL' : 'OK', bad, told: bad };
          }),
        )
        .execute();
    }
    if (onPostgres(db)) await sql`analyze`.execute(db);
  });
  afterAll(async () => {
    await db.destroy();
    await rm(folder, { recursive: true, force: true });
  });

  it.each([
    [
      'a page of the history of a device',
      () =>
        tables
          .selectFrom('addon_monitor_alerts')
          .selectAll()
          .where('device_id', '=', 'x')
          .where('ts', '>', 'x')
          .orderBy('ts', 'desc')
          .orderBy('seq', 'desc')
          .limit(20),
      'addon_monitor_alerts_by_time',
    ],
    [
      'alerts that have come before',
      () =>
        tables
          .selectFrom('addon_monitor_alerts')
          .select('id')
          .where(sql<boolean>`(device_id, id) in (values ('a', 'b'), ('c', 'd'))`),
      'addon_monitor_alerts',
    ],
    [
      'the oldest alerts',
      () =>
        tables
          .selectFrom('addon_monitor_alerts')
          .select('id')
          .where('received', '<', 'x')
          .orderBy('received')
          .limit(1000),
      'addon_monitor_alerts_by_age',
    ],
    [
      'what came last of all devices',
      () =>
        tables
          .selectFrom('addon_monitor_alerts')
          .select('id')
          .orderBy('received', 'desc')
          .orderBy('seq', 'desc')
          .limit(20),
      'addon_monitor_alerts_by_age',
    ],
    [
      'what is not OK in the fleet',
      () =>
        tables
          .selectFrom('addon_monitor_states')
          .selectAll()
          .where('bad', '=', sql.lit(1))
          .orderBy('seq', 'desc')
          .limit(20),
      'addon_monitor_states_bad',
    ],
    [
      'what a silence kept from people',
      () =>
        tables
          .selectFrom('addon_monitor_states')
          .select('key')
          .where('bad', '=', sql.lit(1))
          .where('told', '=', sql.lit(0))
          .orderBy('seq')
          .limit(20),
      'addon_monitor_states_untold',
    ],
    [
      'the next message of a channel',
      () =>
        tables
          .selectFrom('addon_monitor_messages')
          .selectAll()
          .where('channel', '=', 'x')
          .where('state', '=', sql.lit('waiting'))
          .orderBy('due')
          .limit(1),
      'addon_monitor_messages_waiting',
    ],
  ])('%s is found by index', async (_, query, index) => {
    const plan = await planOf(db, query(), { small: true });
    expect(plan).toContain(index);
    expect(plan).not.toMatch(/SCAN addon_\w+$|Seq Scan/m);
  });
});
