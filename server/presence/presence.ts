import type { ConnectState } from '#proto/http/devices';
import { notFound } from '../errors.ts';
import type { Live } from '../live/live.ts';
import { now, type Db } from '../store/store.ts';

/** Which devices have their socket open (`connect-protocol.md` §5.2). */
export class Presence {
  readonly #db: Db;
  readonly #live: Live;
  readonly #told: (deviceId: string, connected: boolean) => void;
  /** `told`: of each change, once it is written. */
  constructor(db: Db, live: Live, told: (deviceId: string, connected: boolean) => void) {
    this.#db = db;
    this.#live = live;
    this.#told = told;
  }

  /** A socket opened; `connection` names it. */
  async connected(deviceId: string, connection: string): Promise<void> {
    const ts = now();
    await this.#db
      .insertInto('presence')
      .values({ device_id: deviceId, status: 'connected', connection, created_ts: ts, updated_ts: ts })
      .onConflict((c) => c.column('device_id').doUpdateSet({ status: 'connected', connection, updated_ts: ts }))
      .execute();
    this.#live.tell('presence', { id: deviceId, connected: true });
    this.#told(deviceId, true);
  }

  /** A socket ended; nothing happens if the device has a newer one. */
  async disconnected(deviceId: string, connection: string): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable('presence')
      .set({ status: 'disconnected', updated_ts: now() })
      .where('device_id', '=', deviceId)
      .where('connection', '=', connection)
      .where('status', '=', 'connected')
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return;
    this.#live.tell('presence', { id: deviceId, connected: false });
    this.#told(deviceId, false);
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
