import { type Expression, sql, type SqlBool } from 'kysely';
import type { Reach } from '#addon/server';
import type { Host } from './host.ts';
import type { Alert, Level } from '../alert.ts';
import type { Counts, Kept, Standing } from '../answers.ts';
import type { Clock } from './clock.ts';
import { matchesKey, type Silences } from './silences.ts';
import type { StateRow, Tables } from './tables.ts';

export interface Filter {
  readonly levels?: readonly string[];
  readonly state?: Standing['state'];
  readonly group?: string;
  readonly check?: string;
  readonly device?: string;
}

export interface Page {
  readonly limit: number;
  readonly offset: number;
}

/** What a filter and the reach of somebody say of rows that have `device_id`, `key` and `level`. */
export async function termsOf(
  host: Host,
  { levels, group, check, device }: Omit<Filter, 'state'>,
  reach: Reach,
): Promise<Expression<SqlBool>[]> {
  return [
    ...(levels ? [host.isOneOf('level', levels)] : []),
    ...(check === undefined ? [] : [matchesKey(check)]),
    ...(device === undefined ? [] : [sql<SqlBool>`device_id = ${device}`]),
    ...(group === undefined ? [] : [await host.ofGroup('device_id', group)]),
    ...(reach === 'all' ? [] : [host.inGroups('device_id', reach)]),
  ];
}

/** True where all of them are. */
export const all = (terms: readonly Expression<SqlBool>[]): Expression<SqlBool> =>
  sql<SqlBool>`(${sql.join(terms.length > 0 ? terms : [sql`1 = 1`], sql` and `)})`;

/** What is not OK now, of accepted devices. */
export class Standings {
  readonly #host: Host;
  readonly #silences: Silences;
  readonly #clock: Clock;
  constructor(host: Host, silences: Silences, clock: Clock) {
    this.#host = host;
    this.#silences = silences;
    this.#clock = clock;
  }

  /** Checks that are not OK, the latest change first. */
  async list(filter: Filter, reach: Reach, { limit, offset }: Page): Promise<{ found: Standing[]; total: number }> {
    const active = await this.#silences.active();
    const silenced = await this.#silences.where(active);
    const where = await this.#where(filter, reach, silenced);
    const rowsOf = this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_states')
      .where('bad', '=', sql.lit(1))
      .where(where);
    const { n } = await rowsOf.select((e) => e.fn.countAll<number>().as('n')).executeTakeFirstOrThrow();
    const rows = await rowsOf.selectAll().orderBy('seq', 'desc').limit(limit).offset(offset).execute();
    const silenceOf = this.#silences.finder(active);
    const found = [];
    for (const row of rows) found.push(standingOf(row, await silenceOf(row.device_id, row.key)));
    return { found, total: n };
  }

  async counts(filter: Omit<Filter, 'state'>, reach: Reach): Promise<Counts> {
    const silenced = await this.#silences.where(await this.#silences.active());
    const where = await this.#where(filter, reach, silenced);
    const rowsOf = this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_states')
      .where('bad', '=', sql.lit(1))
      .where(where);
    const kind = sql<Standing['state']>`case when ${silenced} then 'silenced'
      when acked_ts is not null then 'acknowledged' else 'open' end`;
    const rows = await this.#host
      .tables<Tables>()
      .selectFrom(rowsOf.select(['level', kind.as('state')]).as('standing'))
      .select(['level', 'state', (e) => e.fn.countAll<number>().as('n')])
      .groupBy(['level', 'state'])
      .execute();
    const { devices } = await rowsOf
      .select((e) => e.fn.count<number>('device_id').distinct().as('devices'))
      .executeTakeFirstOrThrow();
    const counts = { open: 0, acknowledged: 0, silenced: 0, devices: devices, levels: {} as Counts['levels'] };
    for (const { level, state, n } of rows) {
      counts[state] += n;
      counts.levels[level] = (counts.levels[level] ?? 0) + n;
    }
    return counts;
  }

  /** Says that somebody sees to it, until the check is OK again. Which checks; those that are OK are none. */
  async acknowledge(
    deviceId: string,
    checks: readonly string[] | undefined,
    by: { readonly name: string; readonly note: string } | undefined,
  ): Promise<string[]> {
    const now = new Date(this.#clock.now()).toISOString();
    const set = by
      ? { acked_by: by.name, acked_ts: now, acked_note: by.note }
      : { acked_by: null, acked_ts: null, acked_note: null };
    const rows = await this.#host
      .tables<Tables>()
      .updateTable('addon_monitor_states')
      .set(set)
      .where('device_id', '=', deviceId)
      .where('bad', '=', sql.lit(1))
      .$if(checks !== undefined, (q) => q.where(this.#host.isOneOf('key', checks ?? [])))
      .$if(by === undefined, (q) => q.where('acked_ts', 'is not', null))
      .returning('key')
      .execute();
    if (rows.length > 0) this.#host.changed(deviceId);
    return rows.map(({ key }) => key).sort();
  }

  /** The newest alert of each check. */
  async latest(deviceId: string, { limit, offset }: Page): Promise<{ found: Kept[]; total: number }> {
    const rowsOf = this.#host.tables<Tables>().selectFrom('addon_monitor_states').where('device_id', '=', deviceId);
    const { n } = await rowsOf.select((e) => e.fn.countAll<number>().as('n')).executeTakeFirstOrThrow();
    const rows = await rowsOf
      .select(['alert_id', 'content'])
      .orderBy('ts', 'desc')
      .orderBy('key')
      .limit(limit)
      .offset(offset)
      .execute();
    return { found: rows.map(({ alert_id, content }) => keptOf(deviceId, alert_id, content)), total: n };
  }

  async forget(deviceId: string): Promise<void> {
    const db = this.#host.tables<Tables>();
    for (const table of ['addon_monitor_states', 'addon_monitor_alerts', 'addon_monitor_events'] as const)
      await db.deleteFrom(table).where('device_id', '=', deviceId).execute();
  }

  async #where(filter: Filter, reach: Reach, silenced: Expression<SqlBool>): Promise<Expression<SqlBool>> {
    const { state } = filter;
    return all([
      ...(await termsOf(this.#host, filter, reach)),
      // Nobody is on call for a device that may not come; accepted again, it is as it was left.
      this.#host.isAccepted('addon_monitor_states.device_id'),
      ...(state === 'silenced' ? [silenced] : []),
      ...(state === 'open' ? [sql<SqlBool>`acked_ts is null and not ${silenced}`] : []),
      ...(state === 'acknowledged' ? [sql<SqlBool>`acked_ts is not null and not ${silenced}`] : []),
    ]);
  }
}

/** As it came, with what the server adds. */
export const keptOf = (device_id: string, id: string, content: string): Kept => ({
  id,
  device_id,
  ...(JSON.parse(content) as Omit<Alert, 'id'>),
});

function standingOf(row: StateRow, silence: { id: string; ends: string; reason: string } | undefined): Standing {
  const { subject, timestamp } = JSON.parse(row.content) as Alert;
  const { description } = subject.details ?? {};
  return {
    device_id: row.device_id,
    check: row.key,
    name: row.name,
    level: row.level as Level,
    state: silence ? 'silenced' : row.acked_ts === null ? 'open' : 'acknowledged',
    since: row.since,
    received: row.received,
    timestamp,
    alert_id: row.alert_id,
    subject: {
      name: subject.name,
      type: subject.type,
      status: subject.status,
      ...(description === undefined ? {} : { description }),
    },
    ...(row.acked_ts === null
      ? {}
      : { acknowledged: { by: row.acked_by ?? '', ts: row.acked_ts, note: row.acked_note ?? '' } }),
    ...(silence ? { silence: { id: silence.id, ends: silence.ends, reason: silence.reason } } : {}),
  };
}
