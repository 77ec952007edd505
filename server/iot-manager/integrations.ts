import { randomUUID } from 'node:crypto';
import { notFound, conflict } from '../errors.ts';
import { Register } from '../devices/register.ts';
import { type Db, isDuplicate, now, type Queries } from '../store/store.ts';
import type { Integrations as IntegrationRow } from '../store/tables/integrations.ts';
import type { Delivery, EventType, Integration, IotEvent, Webhook } from './words.ts';

/** How long events are kept, ms (`server-api.md` §5). */
const kept = 7 * 24 * 3_600_000;

/** Services that are told of events (`server-api.md` §2.9), and the events. */
export class Integrations {
  readonly #db: Db;
  readonly #wake: () => void;
  #last = 0;
  #swept = 0;

  /** `wake`: somebody has to look for events to deliver. */
  constructor(db: Db, wake: () => void) {
    this.#db = db;
    this.#wake = wake;
  }

  async list(): Promise<Integration[]> {
    return (await this.#rows()).map(integrationOf);
  }

  async get(id: string): Promise<Integration> {
    return integrationOf(await this.#row(id));
  }

  /** 409: there is one already. */
  async create(credentials: Webhook, description: string | undefined): Promise<string> {
    const id = randomUUID();
    const row = { id, slot: 1, provider: 'webhook', description: description ?? null, created_ts: now() };
    try {
      await this.#db
        .insertInto('integrations')
        .values({ ...row, credentials: JSON.stringify(credentials) })
        .execute();
    } catch (error) {
      if (isDuplicate(error)) throw conflict('integration already exists');
      throw error;
    }
    return id;
  }

  async setCredentials(id: string, credentials: Webhook): Promise<void> {
    await this.#row(id);
    await this.#db
      .updateTable('integrations')
      .set({ credentials: JSON.stringify(credentials) })
      .where('id', '=', id)
      .execute();
  }

  async remove(id: string): Promise<void> {
    const { numDeletedRows } = await this.#db.deleteFrom('integrations').where('id', '=', id).executeTakeFirst();
    if (numDeletedRows === 0n) throw notFound('integration not found');
  }

  /** Newest first; one more than asked for tells that there are more. */
  async events(limit: number, offset: number, integrationId?: string): Promise<{ events: IotEvent[]; more: boolean }> {
    let query = this.#db.selectFrom('integration_events').selectAll();
    // An id is a UUID: nothing else in the list has it.
    if (integrationId !== undefined) query = query.where('statuses', 'like', `%"${integrationId}"%`);
    const rows = await query
      .orderBy('time', 'desc')
      .orderBy('id', 'desc')
      .limit(limit + 1)
      .offset(offset)
      .execute();
    const events = rows.slice(0, limit).map(({ id, type, data, time, statuses }) => ({
      id,
      type: type as EventType,
      data: JSON.parse(data) as Record<string, unknown>,
      time,
      delivery_statuses: JSON.parse(statuses) as Delivery[],
    }));
    return { events, more: rows.length > limit };
  }

  /** In the transaction of the change: what is committed is told, what is not is not. */
  async statusChanged(trx: Queries, deviceId: string, status: string): Promise<void> {
    if (status === 'accepted') {
      const first = await trx
        .insertInto('provisioned_devices')
        .values({ device_id: deviceId })
        .onConflict((c) => c.doNothing())
        .executeTakeFirst();
      if ((first.numInsertedOrUpdatedRows ?? 0n) > 0n) {
        const { id, auth_sets, created_ts } = await new Register(trx).get(deviceId);
        await this.#add(trx, 'device-provisioned', { id, status, auth_sets, created_ts });
      }
    }
    await this.#add(trx, 'device-status-changed', { id: deviceId, status });
  }

  async decommissioned(deviceId: string): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      await trx.deleteFrom('provisioned_devices').where('device_id', '=', deviceId).execute();
      await this.#add(trx, 'device-decommissioned', { id: deviceId });
    });
    this.#wake();
  }

  /** Events are delivered that have been committed since. */
  committed(): void {
    this.#wake();
  }

  async #add(trx: Queries, type: EventType, data: Record<string, unknown>): Promise<void> {
    if (!(await trx.selectFrom('integrations').select('id').executeTakeFirst())) return;
    await this.#sweep(trx);
    // No two at the same time: they are told in this order.
    this.#last = Math.max(Date.now(), this.#last + 1);
    await trx
      .insertInto('integration_events')
      .values({
        id: randomUUID(),
        time: new Date(this.#last).toISOString(),
        type,
        data: JSON.stringify(data),
        waiting: 1,
        statuses: '[]',
      })
      .execute();
  }

  async #sweep(trx: Queries): Promise<void> {
    const time = Date.now();
    if (time - this.#swept < 3_600_000) return;
    this.#swept = time;
    await trx
      .deleteFrom('integration_events')
      .where('time', '<', new Date(time - kept).toISOString())
      .execute();
  }

  #rows(): Promise<IntegrationRow[]> {
    return this.#db.selectFrom('integrations').selectAll().orderBy('created_ts').execute();
  }

  async #row(id: string): Promise<IntegrationRow> {
    const row = (await this.#rows()).find((row) => row.id === id);
    if (!row) throw notFound('integration not found');
    return row;
  }
}

/** As it is shown: without its secret. */
function integrationOf({ id, provider, credentials, description }: IntegrationRow): Integration {
  const { url } = (JSON.parse(credentials) as Webhook).http;
  return {
    id,
    provider: provider as 'webhook',
    credentials: { type: 'http', http: { url } },
    ...(description === null ? {} : { description }),
  };
}
