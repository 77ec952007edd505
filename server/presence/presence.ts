import type { ConnectState } from '#proto/http/devices';
import { notFound } from '../errors.ts';
import type { Live } from '../live/live.ts';
import { now, type Db } from '../store/store.ts';

/** Which devices have their socket open (`connect-protocol.md` §5.2). */
export class Presence {
  readonly #db: Db;
  readonly #live: Live;
  constructor(db: Db, live: Live) {
    this.#db = db;
    this.#live = live;
  }

  /** A socket opened. The number names it: a late end of an older one must not hide a newer. */
  async connected(deviceId: string): Promise<number> {
    const ts = now();
    const row = await this.#db
      .insertInto('presence')
      .values({ device_id: deviceId, status: 'connected', version: 1, created_ts: ts, updated_ts: ts })
      .onConflict((c) =>
        c
          .column('device_id')
          .doUpdateSet((e) => ({ status: 'connected', version: e('presence.version', '+', 1), updated_ts: ts })),
      )
      .returning('version')
      .executeTakeFirstOrThrow();
    this.#live.tell('presence', { id: deviceId, connected: true });
    return row.version;
  }

  async disconnected(deviceId: string, version: number): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable('presence')
      .set({ status: 'disconnected', updated_ts: now() })
      .where('device_id', '=', deviceId)
      .where('version', '=', version)
      .where('status', '=', 'connected')
      .executeTakeFirst();
    if (numUpdatedRows > 0n) this.#live.tell('presence', { id: deviceId, connected: false });
  }

  /** No socket outlives the process: what a crash left as connected is not. */
  async reset(): Promise<void> {
    await this.#db
      .updateTable('presence')
      .set({ status: 'disconnected', updated_ts: now() })
      .where('status', '=', 'connected')
      .execute();
  }

  async get(deviceId: string): Promise<ConnectState> {
    const row = await this.#db.selectFrom('presence').selectAll().where('device_id', '=', deviceId).executeTakeFirst();
    if (!row) throw notFound('device not found');
    return {
      device_id: row.device_id,
      status: row.status === 'connected' ? 'connected' : 'disconnected',
      created_ts: row.created_ts,
      updated_ts: row.updated_ts,
    };
  }
}
