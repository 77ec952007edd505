import { sql } from 'kysely';
import type { Reach } from '#addon/server';
import type { Kept, Passed } from '../answers.ts';
import type { Host } from './host.ts';
import { all as allOf, type Filter, keptOf, type Page, termsOf } from './standing.ts';
import type { Tables } from './tables.ts';

export interface Bounds {
  readonly after?: string | undefined;
  readonly before?: string | undefined;
}

/** What devices have said, for as long as it is kept. */
export class History {
  readonly #host: Host;
  constructor(host: Host) {
    this.#host = host;
  }

  /** The history of a device, by the device's clock; the newest first unless told otherwise. */
  async ofDevice(
    deviceId: string,
    { after, before, ascending = false }: Bounds & { readonly ascending?: boolean },
    { limit, offset }: Page,
  ): Promise<{ found: Kept[]; total: number }> {
    let all = this.#host.tables<Tables>().selectFrom('addon_monitor_alerts').where('device_id', '=', deviceId);
    if (after !== undefined) all = all.where('ts', '>=', after);
    if (before !== undefined) all = all.where('ts', '<=', before);
    const { n } = await all.select((e) => e.fn.countAll<number>().as('n')).executeTakeFirstOrThrow();
    const order = ascending ? 'asc' : 'desc';
    const rows = await all
      .select(['id', 'content'])
      .orderBy('ts', order)
      .orderBy('seq', order)
      .limit(limit)
      .offset(offset)
      .execute();
    return { found: rows.map(({ id, content }) => keptOf(deviceId, id, content)), total: n };
  }

  /** Of all devices in reach, by the server's clock, the newest first. Not counted: there may be millions. */
  async ofAll(
    filter: Omit<Filter, 'state'>,
    reach: Reach,
    { after, before }: Bounds,
    { limit, offset }: Page,
  ): Promise<Passed[]> {
    const terms = await termsOf(this.#host, filter, reach);
    if (after !== undefined) terms.push(sql`received >= ${after}`);
    if (before !== undefined) terms.push(sql`received <= ${before}`);
    const rows = await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_alerts')
      .select(['device_id', 'id', 'content', 'received'])
      .where(allOf(terms))
      .orderBy('received', 'desc')
      .orderBy('seq', 'desc')
      .limit(limit)
      .offset(offset)
      .execute();
    return rows.map(({ device_id, id, content, received }) => ({ ...keptOf(device_id, id, content), received }));
  }

  /** Forgets the history before a time, a portion at a time; how many there were. */
  async prune(before: string): Promise<number> {
    const portion = this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_alerts')
      .select(['device_id', 'id'])
      .where('received', '<', before)
      .orderBy('received')
      .limit(1000);
    let pruned = 0;
    for (;;) {
      const rows = await portion.execute();
      const byDevice = Map.groupBy(rows, ({ device_id }) => device_id);
      for (const [device_id, alerts] of byDevice)
        await this.#host
          .tables<Tables>()
          .deleteFrom('addon_monitor_alerts')
          .where('device_id', '=', device_id)
          .where(
            this.#host.isOneOf(
              'id',
              alerts.map(({ id }) => id),
            ),
          )
          .execute();
      pruned += rows.length;
      if (rows.length < 1000) return pruned;
    }
  }
}
