import { randomUUID } from 'node:crypto';
import { type Expression, sql, type SqlBool } from 'kysely';
import { CodedError } from '#base/errors';
import type { Reach } from '#addon/server';
import type { Host } from './host.ts';
import type { Silence } from '../answers.ts';
import type { Clock } from './clock.ts';
import type { SilenceRow, Tables } from './tables.ts';

/** Silences at a time that are in force or to come. */
const limit = 500;
/** Those that are over are shown so long, ms. */
const kept = 30 * 24 * 3600_000;

export interface NewSilence {
  readonly device?: string;
  readonly group?: string;
  readonly check?: string;
  readonly starts: Date;
  readonly ends: Date;
  readonly reason: string;
  readonly by: string;
}

/** Which alerts are kept from people for a time: of a device, of a group, of a check, or of several of these together. */
export class Silences {
  readonly #host: Host;
  readonly #clock: Clock;
  constructor(host: Host, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
  }

  /** Those in force, to come, and over not long ago; the last that begins first. */
  async list(reach: Reach, filter: { device?: string; active?: boolean }): Promise<Silence[]> {
    const rows = await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_silences')
      .selectAll()
      .$if(reach !== 'all', (q) =>
        q.where((e) =>
          e.or([
            e('in_group', 'in', reach === 'all' ? [''] : ['', ...reach]),
            this.#host.inGroups('addon_monitor_silences.device_id', reach === 'all' ? [] : reach),
          ]),
        ),
      )
      .$if(filter.device !== undefined, (q) => q.where('device_id', '=', filter.device ?? ''))
      .orderBy('starts', 'desc')
      .orderBy('id')
      .execute();
    const now = this.#now();
    const silences = rows.map((row) => silenceOf(row, now));
    return filter.active === undefined ? silences : silences.filter(({ active }) => active === filter.active);
  }

  /** Throws `unprocessable` when there are too many. */
  async create({ device, group, check, starts, ends, reason, by }: NewSilence): Promise<Silence> {
    const now = this.#now();
    const row: SilenceRow = {
      id: randomUUID(),
      device_id: device ?? null,
      in_group: group ?? null,
      check_key: check ?? null,
      starts: starts.toISOString(),
      ends: ends.toISOString(),
      reason,
      created_by: by,
      created_ts: now,
      ended_by: null,
    };
    await this.#host
      .tables<Tables>()
      .transaction()
      .execute(async (trx) => {
        const { n } = await trx
          .selectFrom('addon_monitor_silences')
          .select((e) => e.fn.countAll<number>().as('n'))
          .where('ends', '>', now)
          .executeTakeFirstOrThrow();
        if (n >= limit)
          throw new CodedError('unprocessable', `there are ${limit} silences already: end one, or silence a group`);
        await trx
          .deleteFrom('addon_monitor_silences')
          .where('ends', '<', new Date(this.#clock.now() - kept).toISOString())
          .execute();
        await trx.insertInto('addon_monitor_silences').values(row).execute();
      });
    return silenceOf(row, now);
  }

  async get(id: string): Promise<Silence | undefined> {
    const row = await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_silences')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && silenceOf(row, this.#now());
  }

  /** Ends one now; one that is over stays as it was. */
  async end(id: string, by: string): Promise<void> {
    const now = this.#now();
    await this.#host
      .tables<Tables>()
      .updateTable('addon_monitor_silences')
      .set({ ends: now, ended_by: by })
      .where('id', '=', id)
      .where('ends', '>', now)
      .execute();
  }

  async active(): Promise<SilenceRow[]> {
    const now = this.#now();
    return await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_silences')
      .selectAll()
      .where('ends', '>', now)
      .where('starts', '<=', now)
      .orderBy('ends', 'desc')
      .execute();
  }

  /** For a query over states: true where one of these silences holds. */
  async where(active: readonly SilenceRow[]): Promise<Expression<SqlBool>> {
    const each: Expression<SqlBool>[] = [];
    for (const { device_id, in_group, check_key } of active) {
      const terms: Expression<SqlBool>[] = [];
      if (device_id !== null) terms.push(sql<SqlBool>`device_id = ${device_id}`);
      if (check_key !== null) terms.push(matchesKey(check_key));
      if (in_group !== null) terms.push(await this.#host.ofGroup('device_id', in_group));
      each.push(sql<SqlBool>`(${sql.join(terms.length > 0 ? terms : [sql`1 = 1`], sql` and `)})`);
    }
    return each.length === 0 ? sql<SqlBool>`1 = 0` : sql<SqlBool>`(${sql.join(each, sql` or `)})`;
  }

  /** Which of these silences, if any, keeps a check of a device from people. Membership is asked once a group and device. */
  finder(active: readonly SilenceRow[]): (deviceId: string, key: string) => Promise<SilenceRow | undefined> {
    const members = new Map<string, Promise<boolean>>();
    const isMember = (deviceId: string, group: string): Promise<boolean> => {
      const asked = `${deviceId} ${group}`;
      const known = members.get(asked) ?? this.#host.inGroup(deviceId, group);
      members.set(asked, known);
      return known;
    };
    return async (deviceId, key) => {
      for (const silence of active) {
        if (silence.device_id !== null && silence.device_id !== deviceId) continue;
        if (silence.check_key !== null && !isLike(silence.check_key, key)) continue;
        if (silence.in_group !== null && !(await isMember(deviceId, silence.in_group))) continue;
        return silence;
      }
      return undefined;
    };
  }

  async forget(deviceId: string): Promise<void> {
    await this.#host.tables<Tables>().deleteFrom('addon_monitor_silences').where('device_id', '=', deviceId).execute();
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

/** `disk_root` is that check, `disk_*` all that begin so. */
export const isLike = (pattern: string, key: string): boolean =>
  pattern.endsWith('*') ? key.startsWith(pattern.slice(0, -1)) : key === pattern;

/** The same as a condition. */
export function matchesKey(pattern: string): Expression<SqlBool> {
  if (!pattern.endsWith('*')) return sql<SqlBool>`key = ${pattern}`;
  const beginning = pattern.slice(0, -1);
  return sql<SqlBool>`substr(key, 1, ${sql.lit(Array.from(beginning).length)}) = ${beginning}`;
}

function silenceOf(row: SilenceRow, now: string): Silence {
  const { id, device_id, in_group, check_key, starts, ends, reason, created_by, created_ts, ended_by } = row;
  return {
    id,
    ...(device_id === null ? {} : { device: device_id }),
    ...(in_group === null ? {} : { group: in_group }),
    ...(check_key === null ? {} : { check: check_key }),
    starts,
    ends,
    reason,
    created_by,
    created_ts,
    ...(ended_by === null ? {} : { ended_by }),
    active: starts <= now && now < ends,
  };
}
