// Who is called offline when clocks are set: a fake clock, and a real database without anybody who was offline before.
import { setTimeout as sleep } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { Kysely, sql, SqliteDialect } from 'kysely';
import { expect, it } from 'vitest';
import { silentLog } from '#base/log';
import type { Alert } from '../alert.ts';
import { migrations } from './migrations.ts';
import { Offline } from './offline.ts';

it('a server whose clock is set a day ahead calls nobody offline for that, and one that is set back still does', async () => {
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: new Database(':memory:') }) });
  for (const step of Object.values(migrations)) await step(db);
  const time = { now: Date.parse('2026-11-28T10:00:00Z'), ticks: 1000, looks: 0 };
  const clock = {
    now: () => time.now,
    ticks: () => (time.looks++, time.ticks),
    next: () => 0,
  };
  const taken: [string, Alert['level'], string | undefined][] = [];
  const offline = new Offline(
    {
      tables: () => db,
      isOneOf: () => sql`1 = 1`,
      awayDevices: async (ids?: readonly string[]) =>
        (ids ?? []).map((deviceId) => ({ deviceId, since: new Date('2026-11-28T10:00:00Z') })),
      log: silentLog,
    } as never,
    clock,
    {
      take: async (id: string, [alert]: readonly Alert[]) =>
        void taken.push([id, alert!.level, alert!.subject.details?.description]),
    } as never,
    { get: async () => ({ offline_seconds: 300, offline_grace_seconds: 0 }), onChange: () => undefined } as never,
  );
  const life = new AbortController();
  const running = offline.run(life.signal);
  /** It has looked once more, whole. */
  const looked = async () => {
    for (const wanted = time.looks + 2; time.looks < wanted;) await sleep(20);
  };
  offline.presence('pump', false);
  time.now += 24 * 3600_000;
  await looked();
  expect(taken).toEqual([]);
  time.now -= 48 * 3600_000;
  time.ticks += 301_000;
  while (taken.length === 0) await sleep(20);
  expect(taken).toEqual([['pump', 'CRITICAL', 'no connection since 2026-11-28T10:00:00.000Z']]);
  life.abort();
  await running;
  await db.destroy();
}, 30_000);
