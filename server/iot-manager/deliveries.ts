import { createHmac } from 'node:crypto';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Db } from '../store/store.ts';
import type { IntegrationEvents, Integrations as IntegrationRow } from '../store/tables/integrations.ts';
import type { Outbound } from './outbound.ts';
import type { Delivery, Webhook } from './words.ts';

/** Events taken up at once. */
const batch = 32;
/** Looked for without a call: another node may have made some, ms. */
const interval = 30_000;

/** Tells integrations of events, each once; how it went is kept with the event. */
export class Deliveries {
  readonly counts = { ok: 0, failed: 0 };
  readonly #db: Db;
  readonly #log: Log;
  readonly #outbound: Outbound;
  #asked = true;
  #wake: (() => void) | undefined;

  constructor(db: Db, log: Log, outbound: Outbound) {
    this.#db = db;
    this.#log = log;
    this.#outbound = outbound;
  }

  /** There may be something to deliver. */
  wake(): void {
    this.#asked = true;
    this.#wake?.();
  }

  /** Delivers until the signal; what a stop cuts off is delivered by the next start. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener('abort', () => this.#wake?.(), { once: true });
    while (!signal.aborted) {
      if (!this.#asked) await this.#rest();
      if (signal.aborted) return;
      this.#asked = false;
      try {
        while (!signal.aborted && (await this.#portion(signal)) === batch);
      } catch (error) {
        this.#log.error('events not delivered', { error: messageOf(error) });
      }
    }
  }

  async #rest(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, interval);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** How many there were. */
  async #portion(signal: AbortSignal): Promise<number> {
    const events = await this.#db
      .selectFrom('integration_events')
      .selectAll()
      .where('waiting', '=', 1)
      .orderBy('time')
      .limit(batch)
      .execute();
    if (events.length === 0) return 0;
    const integrations = await this.#db.selectFrom('integrations').selectAll().execute();
    // In order for one device, at once for several: one that is slow to be told holds up nobody else.
    const byDevice = Map.groupBy(events, ({ data }) => (JSON.parse(data) as { id: string }).id);
    await Promise.all(
      [...byDevice.values()].map(async (ofOne) => {
        for (const event of ofOne) if (!signal.aborted) await this.#deliver(event, integrations, signal);
      }),
    );
    return events.length;
  }

  async #deliver(
    event: IntegrationEvents,
    integrations: readonly IntegrationRow[],
    signal: AbortSignal,
  ): Promise<void> {
    const statuses = await Promise.all(integrations.map((integration) => this.#tell(event, integration)));
    // Cut off by the stop: the next start tells it.
    if (signal.aborted && statuses.some(({ success }) => !success)) return;
    await this.#db
      .updateTable('integration_events')
      .set({ waiting: 0, statuses: JSON.stringify(statuses) })
      .where('id', '=', event.id)
      .execute();
  }

  async #tell({ id, type, data, time }: IntegrationEvents, integration: IntegrationRow): Promise<Delivery> {
    const { http } = JSON.parse(integration.credentials) as Webhook;
    const body = JSON.stringify({ id, type, data: JSON.parse(data) as unknown, time });
    const told = { integration_id: integration.id };
    try {
      const status = await this.#outbound.post(
        http.url,
        { 'Content-Type': 'application/json', 'User-Agent': 'patchbay', ...signed(body, http.secret) },
        body,
      );
      const success = status >= 200 && status < 300;
      this.counts[success ? 'ok' : 'failed']++;
      return { ...told, success, status_code: status, ...(success ? {} : { error: `the answer was ${status}` }) };
    } catch (error) {
      this.counts.failed++;
      return { ...told, success: false, error: messageOf(error).slice(0, 256) };
    }
  }
}

/** HMAC of the body, only with a secret (`server-api.md` §2.9). */
function signed(body: string, secret: string | undefined): Record<string, string> {
  if (!secret) return {};
  const signature = createHmac('sha256', Buffer.from(secret, 'hex')).update(body).digest('hex');
  return { 'X-Men-Algorithm': 'MEN-HMAC-SHA256-Payload', 'X-Men-Signature': signature };
}
