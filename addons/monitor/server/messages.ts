import { randomUUID } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Host } from './host.ts';
import type { ChannelKind, Delivery } from '../answers.ts';
import type { Clock } from './clock.ts';
import { type Notice, subjectOf } from './notice.ts';
import type { Page } from './standing.ts';
import type { MessageRow, Tables } from './tables.ts';

/** Messages of one channel that wait: of more than that the oldest are dropped. */
export const waitingLimit = 1000;
/** How long the log of what was sent goes back, ms. */
const kept = 7 * 24 * 3600_000;

export interface NewMessage {
  readonly channel: string;
  readonly channel_name: string;
  readonly kind: ChannelKind;
  readonly notice: Notice;
  /** Of e-mails to users. */
  readonly to?: readonly string[];
}

export interface Waiting {
  readonly id: string;
  readonly channel: string;
  readonly kind: ChannelKind;
  readonly created: string;
  readonly tries: number;
  readonly notice: Notice;
  readonly to?: readonly string[];
}

/** What is to be sent, and what became of it. It outlives the process: at least once, each. */
export class Messages {
  readonly #host: Host;
  readonly #clock: Clock;
  constructor(host: Host, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
  }

  /** How many were dropped to make room for these. */
  async add(trx: Transaction<Tables>, messages: readonly NewMessage[]): Promise<number> {
    const now = this.#now();
    for (const { channel, channel_name, kind, notice, to } of messages)
      await trx
        .insertInto('addon_monitor_messages')
        .values({
          id: randomUUID(),
          channel,
          channel_name,
          kind,
          state: 'waiting',
          created: now,
          seq: this.#clock.next(),
          due: now,
          tries: 0,
          sent_ts: null,
          error: null,
          subject: subjectOf(notice),
          devices: notice.devices,
          alerts: notice.alerts,
          content: JSON.stringify({ notice, ...(to ? { to } : {}) }),
        })
        .execute();
    let dropped = 0;
    for (const channel of new Set(messages.map((message) => message.channel)))
      dropped += await this.#bound(trx, channel);
    return dropped;
  }

  async #bound(trx: Transaction<Tables>, channel: string): Promise<number> {
    const waiting = trx
      .selectFrom('addon_monitor_messages')
      .where('channel', '=', channel)
      .where('state', '=', sql.lit('waiting'));
    const oldest = await waiting.select('seq').orderBy('seq', 'desc').offset(waitingLimit).limit(1).executeTakeFirst();
    if (!oldest) return 0;
    const { numUpdatedRows } = await trx
      .updateTable('addon_monitor_messages')
      .set({ state: 'dropped', error: `more than ${waitingLimit} messages waited for this channel`, content: null })
      .where('channel', '=', channel)
      .where('state', '=', sql.lit('waiting'))
      .where('seq', '<=', oldest.seq)
      .executeTakeFirst();
    return Number(numUpdatedRows);
  }

  /** Channels for which something waits, and when the first of it is due, ms since the epoch. */
  async waiting(): Promise<Map<string, number>> {
    const rows = await this.#db
      .selectFrom('addon_monitor_messages')
      .select(['channel', (e) => e.fn.min('due').as('due')])
      .where('state', '=', sql.lit('waiting'))
      .groupBy('channel')
      .execute();
    return new Map(rows.map(({ channel, due }) => [channel, Date.parse(due)]));
  }

  /** The next of a channel that is due. */
  async next(channel: string): Promise<Waiting | undefined> {
    const row = await this.#db
      .selectFrom('addon_monitor_messages')
      .selectAll()
      .where('channel', '=', channel)
      .where('state', '=', sql.lit('waiting'))
      .where('due', '<=', this.#now())
      .orderBy('due')
      .orderBy('seq')
      .limit(1)
      .executeTakeFirst();
    if (!row) return undefined;
    const { id, kind, created, tries, content } = row;
    const { notice, to } = JSON.parse(content ?? '{}') as { notice: Notice; to?: string[] };
    return { id, channel, kind: kind as ChannelKind, created, tries, notice, ...(to ? { to } : {}) };
  }

  async sent({ id, tries }: Waiting): Promise<void> {
    await this.#set(id, { state: 'sent', tries: tries + 1, sent_ts: this.#now(), error: null, content: null });
  }

  async again({ id, tries }: Waiting, error: string, due: number): Promise<void> {
    await this.#set(id, { tries: tries + 1, error, due: new Date(due).toISOString() });
  }

  async over({ id, tries }: Waiting, state: 'failed' | 'dropped', error: string): Promise<void> {
    await this.#set(id, { state, tries: tries + (state === 'failed' ? 1 : 0), error, content: null });
  }

  /** The newest first. */
  async list(
    filter: { readonly channel?: string; readonly state?: string },
    { limit, offset }: Page,
  ): Promise<{ found: Delivery[]; total: number }> {
    const { channel, state } = filter;
    const all = this.#db
      .selectFrom('addon_monitor_messages')
      .$if(channel !== undefined, (q) => q.where('channel', '=', channel ?? ''))
      .$if(state !== undefined, (q) => q.where('state', '=', state ?? ''));
    const { n } = await all.select((e) => e.fn.countAll<number>().as('n')).executeTakeFirstOrThrow();
    const rows = await all.selectAll().orderBy('seq', 'desc').limit(limit).offset(offset).execute();
    return { found: rows.map(deliveryOf), total: n };
  }

  /** Forgets what is over for a week. */
  async prune(): Promise<void> {
    await this.#db
      .deleteFrom('addon_monitor_messages')
      .where('seq', '<', (this.#clock.now() - kept) * 1000)
      .where('state', '<>', 'waiting')
      .execute();
  }

  get #db(): Kysely<Tables> {
    return this.#host.tables<Tables>();
  }

  async #set(id: string, change: Partial<MessageRow>): Promise<void> {
    await this.#db
      .updateTable('addon_monitor_messages')
      .set(change)
      .where('id', '=', id)
      .where('state', '=', sql.lit('waiting'))
      .execute();
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

const deliveryOf = (row: MessageRow): Delivery => ({
  id: row.id,
  channel: row.channel,
  channel_name: row.channel_name,
  kind: row.kind,
  state: row.state as Delivery['state'],
  subject: row.subject,
  devices: row.devices,
  alerts: row.alerts,
  created_ts: row.created,
  tries: row.tries,
  ...(row.state === 'waiting' ? { due_ts: row.due } : {}),
  ...(row.sent_ts === null ? {} : { sent_ts: row.sent_ts }),
  ...(row.error === null ? {} : { error: row.error }),
});
