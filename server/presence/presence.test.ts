import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Log, silentLog } from '#base/log';
import { availableDatabases, databaseFor } from '../stage.ts';
import { openStore, type Db } from '../store/store.ts';
import { Presence } from './presence.ts';

describe.each(await availableDatabases())('presence (server-api.md §1.8) on %s', (name) => {
  let data = '';
  let db: Db;
  let presence: Presence;
  let told: string[] = [];
  /** Resolves when the next event was told; it is told once it is written. */
  let next = Promise.withResolvers<void>();
  let warned = Promise.withResolvers<void>();

  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'patchbay-presence-'));
    db = await openStore(data, await databaseFor(name));
    told = [];
    next = Promise.withResolvers();
    warned = Promise.withResolvers();
    const log: Log = { ...silentLog, warn: () => warned.resolve() };
    const tell = (_: string, { id, connected }: { id: string; connected: boolean }) => {
      told.push(`${id} ${connected ? 'on' : 'off'}`);
      next.resolve();
    };
    presence = new Presence(db, { tell } as never, () => {}, log);
    const device = { id: 'd', identity_hash: 'd', identity: '{}', status: 'accepted' };
    const rest = { decommissioning: 0, created_ts: 'x', updated_ts: 'x', check_in_time: null, inventory_hash: null };
    await db
      .insertInto('devices')
      .values({ ...device, ...rest })
      .execute();
  });
  afterEach(async () => {
    presence.stop();
    await db.destroy();
    await rm(data, { recursive: true, force: true });
  });
  const rename = async (from: string, to: string) =>
    void (await sql`alter table ${sql.table(from)} rename to ${sql.table(to)}`.execute(db));
  const toldOf = async (n: number) => {
    while (told.length < n) {
      await next.promise;
      next = Promise.withResolvers();
    }
    return told;
  };

  it('is what came last, though both came at once', async () => {
    presence.connected('d', 'a');
    presence.disconnected('d', 'a');
    presence.connected('d', 'b');
    expect((await toldOf(2)).at(-1)).toBe('d on');
    expect(await presence.get('d')).toMatchObject({ status: 'connected' });
  });

  it('the late end of an older socket does not take a device off', async () => {
    presence.connected('d', 'a');
    await toldOf(1);
    presence.connected('d', 'b');
    await toldOf(2);
    presence.disconnected('d', 'a');
    presence.connected('d', 'c');
    expect(await toldOf(3)).toEqual(['d on', 'd on', 'd on']);
    expect(await presence.get('d')).toMatchObject({ status: 'connected' });
  });

  it('that could not be written is written when the database is back, and only the newest of it', async () => {
    presence.connected('d', 'a');
    await toldOf(1);
    await rename('presence', 'away');
    presence.connected('d', 'b');
    await warned.promise;
    // The database never heard of `b`, and has `a` as connected.
    presence.disconnected('d', 'b');
    await rename('away', 'presence');
    expect(await toldOf(2)).toEqual(['d on', 'd off']);
    expect(await presence.get('d')).toMatchObject({ status: 'disconnected' });
  });
});
