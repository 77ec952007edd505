import { sql } from 'kysely';
import type { Level } from '../alert.ts';
import { Drafts, type DraftsParts, type Loud } from './drafts.ts';
import type { Messages } from './messages.ts';
import type { Change } from './notice.ts';
import type { Silences } from './silences.ts';
import type { Tables } from './tables.ts';

/** Changes looked at in one round. */
const round = 10_000;
/** The longest that alerts of a name that comes again and again are gathered, ms. */
const longest = 300_000;

interface Window {
  /** When the last message of it was made, and how long it was gathered for, ms. */
  readonly at: number;
  readonly length: number;
}

export interface PlannerParts extends DraftsParts {
  readonly silences: Silences;
  readonly messages: Messages;
}

/**
 * Makes messages of changes: those of one name and level within a window are one, however many devices there are. What comes
 * again and again is gathered for longer each time, so that a storm of any size is a bounded number of messages.
 */
export class Planner {
  readonly counts = { silenced: 0, dropped: 0 };
  readonly #parts: PlannerParts;
  readonly #windows = new Map<string, Window>();
  readonly #drafts: Drafts;

  constructor(parts: PlannerParts) {
    this.#parts = parts;
    this.#drafts = new Drafts(parts);
  }

  /** Plans what is due; when to look again, ms since the epoch, if anything waits. */
  async plan(): Promise<number | undefined> {
    const { host, clock, settings } = this.#parts;
    await this.#unsilenced();
    const now = clock.now();
    const { notBefore } = this.#drafts;
    if (now < notBefore) return notBefore;
    const db = host.tables<Tables>();
    const waiting = await db
      .selectFrom('addon_monitor_events')
      .select([
        'level',
        'name',
        (e) => e.fn.min('queued').as('first'),
        (e) => e.fn.max('queued').as('last'),
        (e) => e.fn.countAll<number>().as('count'),
      ])
      .groupBy(['level', 'name'])
      .execute();
    if (waiting.length === 0) return undefined;
    const { group_seconds } = await settings.get();
    const all = waiting.reduce((sum, { count }) => sum + count, 0);
    const due: { level: string; name: string }[] = [];
    let next: number | undefined;
    for (const { level, name, first, last } of waiting) {
      const key = `${level} ${name}`;
      const window = this.#window(key, group_seconds * 1000);
      const at = dueAt(Date.parse(first), Date.parse(last), window);
      // The outbox is no place to gather a storm in.
      if (at > now && all < round) next = Math.min(next ?? at, at);
      else {
        due.push({ level, name });
        this.#windows.set(key, { at: now, length: window });
      }
    }
    if (this.#windows.size > round) this.#windows.clear();
    if (due.length === 0) return next;
    const few = due.length <= 100 && due.length < waiting.length;
    const rows = await db
      .selectFrom('addon_monitor_events')
      .select(['seq', 'device_id', 'key', 'name', 'level', 'before', 'ts'])
      .$if(few, (q) =>
        q.where((e) => e.or(due.map(({ level, name }) => e.and([e('level', '=', level), e('name', '=', name)])))),
      )
      .orderBy('seq')
      .limit(round)
      .execute();
    const wanted = new Set(due.map(({ level, name }) => `${level} ${name}`));
    await this.#commit(rows.filter(({ level, name }) => wanted.has(`${level} ${name}`)).map(changeOf));
    // What came meanwhile, or did not fit, is looked at again.
    return rows.length === round ? now : next;
  }

  /** Twice as long each time that a name comes again soon. */
  #window(key: string, usual: number): number {
    const last = this.#windows.get(key);
    if (!last || this.#parts.clock.now() - last.at > 4 * Math.max(last.length, usual)) return usual;
    return Math.min(longest, Math.max(usual, last.length * 2));
  }

  async #commit(changes: readonly Change[]): Promise<void> {
    const { host, messages } = this.#parts;
    const { silenced, loud } = await this.#sorted(changes);
    const planned = await this.#drafts.draft(loud);
    await host
      .tables<Tables>()
      .transaction()
      .setIsolationLevel('read committed')
      .execute(async (trx) => {
        for (const { device_id, key } of silenced)
          await trx
            .updateTable('addon_monitor_states')
            .set({ told: 0 })
            .where('device_id', '=', device_id)
            .where('key', '=', key)
            .where('bad', '=', sql.lit(1))
            .execute();
        this.counts.dropped += await messages.add(trx, planned);
        for (let at = 0; at < changes.length; at += 500)
          await trx
            .deleteFrom('addon_monitor_events')
            .where(
              'seq',
              'in',
              changes.slice(at, at + 500).map(({ seq }) => seq),
            )
            .execute();
      });
    this.counts.silenced += silenced.length;
  }

  /** What a silence keeps from people, and the rest with the groups of the devices. */
  async #sorted(changes: readonly Change[]): Promise<{ silenced: Change[]; loud: Loud[] }> {
    const { host, silences } = this.#parts;
    const silenceOf = silences.finder(await silences.active());
    const groups = new Map<string, readonly string[]>();
    const silenced: Change[] = [];
    const loud: Loud[] = [];
    for (const change of changes) {
      if (await silenceOf(change.device_id, change.key)) {
        silenced.push(change);
        continue;
      }
      const ofDevice = groups.get(change.device_id) ?? (await host.groupsOf(change.device_id));
      groups.set(change.device_id, ofDevice);
      const [group] = ofDevice;
      loud.push({ ...change, ...(group === undefined ? {} : { group }), groups: ofDevice });
    }
    return { silenced, loud };
  }

  /** What a silence kept from people, and is not OK after it: they are told now. */
  async #unsilenced(): Promise<void> {
    const { host, silences, clock } = this.#parts;
    const db = host.tables<Tables>();
    const rows = await db
      .selectFrom('addon_monitor_states')
      .select(['device_id', 'key'])
      .where('bad', '=', sql.lit(1))
      .where('told', '=', sql.lit(0))
      .where(host.isAccepted('addon_monitor_states.device_id'))
      .orderBy('seq')
      .limit(round)
      .execute();
    if (rows.length === 0) return;
    const silenceOf = silences.finder(await silences.active());
    for (const { device_id, key } of rows) {
      if (await silenceOf(device_id, key)) continue;
      await db.transaction().execute(async (trx) => {
        const state = await trx
          .selectFrom('addon_monitor_states')
          .selectAll()
          .where('device_id', '=', device_id)
          .where('key', '=', key)
          .where('bad', '=', sql.lit(1))
          .where('told', '=', sql.lit(0))
          .executeTakeFirst();
        if (!state) return;
        const { name, level, ts, content } = state;
        const queued = new Date(clock.now()).toISOString();
        await trx
          .insertInto('addon_monitor_events')
          .values({ seq: clock.next(), device_id, key, name, level, before: 'OK', ts, queued, content })
          .execute();
        await trx
          .updateTable('addon_monitor_states')
          .set({ told: 1 })
          .where('device_id', '=', device_id)
          .where('key', '=', key)
          .execute();
      });
    }
  }
}

/** When a window is over: while more of it comes, it lasts up to three times as long. */
const dueAt = (first: number, last: number, window: number): number =>
  Math.max(first + window, Math.min(last + window / 2, first + 3 * window));

function changeOf(row: { level: string; before: string } & Omit<Change, 'level' | 'before'>): Change {
  const { seq, device_id, key, name, level, before, ts } = row;
  return { seq, device_id, key, name, level: level as Level, before: before as Level, ts };
}
