import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { ConnectState } from '#proto/http/devices';
import { notFound } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { inGroups } from '../inventory/membership.ts';
import type { Live } from '../live/live.ts';
import { isOneOf } from '../store/list.ts';
import { now, type Db } from '../store/store.ts';
import type { Presence as Row } from '../store/tables/devices.ts';

/** Writes that are under way at once, and how long a database that is away is left alone, ms. */
const writers = 8;
const rest = 1000;

interface State {
  readonly connected: boolean;
  /** The socket that this is said of. */
  readonly connection: string;
  /** The database never heard of that socket: whatever it has is older. */
  readonly unheard: boolean;
}

/**
 * Which devices have their socket open (`connect-protocol.md` §5.2). The newest state of each is written, one after the
 * other, and again until it is: a database that is away for a while must not leave a device online for ever.
 */
export class Presence {
  readonly #db: Db;
  readonly #live: Live;
  readonly #told: (deviceId: string, connected: boolean) => void;
  readonly #log: Log;
  /** What is still to be written. */
  readonly #due = new Map<string, State>();
  readonly #writing = new Set<string>();
  #resting: NodeJS.Timeout | undefined;
  /** `told`: of each change, once it is written. */
  constructor(db: Db, live: Live, told: (deviceId: string, connected: boolean) => void, log: Log) {
    this.#db = db;
    this.#live = live;
    this.#told = told;
    this.#log = log;
  }

  /** A socket opened; `connection` names it. */
  connected(deviceId: string, connection: string): void {
    this.#note(deviceId, { connected: true, connection, unheard: true });
  }

  /** A socket ended; nothing happens if the device has a newer one. */
  disconnected(deviceId: string, connection: string): void {
    this.#note(deviceId, { connected: false, connection, unheard: this.#due.get(deviceId)?.unheard ?? false });
  }

  /** No socket outlives the process: what a crash left as connected is not. */
  async reset(): Promise<void> {
    await this.#db
      .updateTable('presence')
      .set({ status: 'disconnected', updated_ts: now() })
      .where('status', '=', 'connected')
      .execute();
  }

  /** The server stops, and what is not written by now is not: the next one resets all. */
  stop(): void {
    clearTimeout(this.#resting);
    this.#due.clear();
  }

  async get(deviceId: string): Promise<ConnectState> {
    const row = await this.#db.selectFrom('presence').selectAll().where('device_id', '=', deviceId).executeTakeFirst();
    if (!row) throw notFound('device not found');
    return shapeOf(row);
  }

  /** Of these devices, as far as they were ever connected and a right with this scope reaches them. */
  async of(deviceIds: readonly string[], scope: Scope): Promise<ConnectState[]> {
    let query = this.#db
      .selectFrom('presence')
      .selectAll()
      .where(isOneOf(this.#db, 'presence.device_id', deviceIds));
    if (scope !== 'all') query = query.where(inGroups('presence.device_id', scope));
    return (await query.orderBy('device_id').execute()).map(shapeOf);
  }

  #note(deviceId: string, state: State): void {
    this.#due.set(deviceId, state);
    this.#work();
  }

  #work(): void {
    if (this.#resting !== undefined) return;
    for (const [deviceId, state] of this.#due) {
      if (this.#writing.size >= writers) return;
      if (this.#writing.has(deviceId)) continue;
      this.#due.delete(deviceId);
      this.#writing.add(deviceId);
      void this.#tryTo(deviceId, state);
    }
  }

  async #tryTo(deviceId: string, state: State): Promise<void> {
    try {
      if (await this.#write(deviceId, state)) {
        this.#live.tell('presence', { id: deviceId, connected: state.connected });
        this.#told(deviceId, state.connected);
      }
    } catch (error) {
      const newer = this.#due.get(deviceId);
      this.#due.set(deviceId, newer ? { ...newer, unheard: newer.unheard || state.unheard } : state);
      if (this.#resting === undefined) this.#log.warn('presence not written yet', { error: messageOf(error) });
      clearTimeout(this.#resting);
      this.#resting = setTimeout(() => {
        this.#resting = undefined;
        this.#work();
      }, rest).unref();
    } finally {
      this.#writing.delete(deviceId);
      this.#work();
    }
  }

  /** True: it is another state than before. */
  async #write(deviceId: string, { connected, connection, unheard }: State): Promise<boolean> {
    const ts = now();
    const status = connected ? 'connected' : 'disconnected';
    if (!connected && !unheard) {
      const { numUpdatedRows } = await this.#db
        .updateTable('presence')
        .set({ status, updated_ts: ts })
        .where('device_id', '=', deviceId)
        .where('connection', '=', connection)
        .where('status', '=', 'connected')
        .executeTakeFirst();
      return numUpdatedRows > 0n;
    }
    await this.#db
      .insertInto('presence')
      .values({ device_id: deviceId, status, connection, created_ts: ts, updated_ts: ts })
      .onConflict((c) => c.column('device_id').doUpdateSet({ status, connection, updated_ts: ts }))
      .execute();
    return true;
  }
}

const shapeOf = (row: Row): ConnectState => ({
  device_id: row.device_id,
  status: row.status === 'connected' ? 'connected' : 'disconnected',
  created_ts: row.created_ts,
  updated_ts: row.updated_ts,
});
