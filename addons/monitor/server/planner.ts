import { sql } from 'kysely';
import type { Reach } from '#addon/server';
import type { Host } from './host.ts';
import type { Level } from '../alert.ts';
import type { Channels, Known } from './channels.ts';
import type { Clock } from './clock.ts';
import type { Messages, NewMessage } from './messages.ts';
import { type Change, listed, noticeOf } from './notice.ts';
import type { Settings } from './settings.ts';
import { isLike, type Silences } from './silences.ts';
import type { Tables } from './tables.ts';

/** Changes looked at in one round. */
const round = 10_000;
/** Messages a minute of one channel that tell of one name each; whatever there is beyond is one message together. */
const perMinute = 20;
/** After such a one nothing is planned for so long, ms. */
const rest = 10_000;
/** The longest that alerts of a name that comes again and again are gathered, ms. */
const longest = 300_000;
/** Mailboxes that one e-mail goes to. */
const perMail = 50;

export const usersChannel = 'users';

interface Window {
  /** When the last message of it was made, and how long it was gathered for, ms. */
  readonly at: number;
  readonly length: number;
}

export interface PlannerParts {
  readonly host: Host;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly silences: Silences;
  readonly channels: Channels;
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
  readonly #made = new Map<string, { minute: number; count: number }>();
  #notBefore = 0;

  constructor(parts: PlannerParts) {
    this.#parts = parts;
  }

  /** Plans what is due; when to look again, ms since the epoch, if anything waits. */
  async plan(): Promise<number | undefined> {
    const { host, clock, settings } = this.#parts;
    await this.#unsilenced();
    const now = clock.now();
    if (now < this.#notBefore) return this.#notBefore;
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
    const planned = await this.#messages(loud);
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
  async #sorted(changes: readonly Change[]): Promise<{ silenced: Change[]; loud: (Change & { groups: Groups })[] }> {
    const { host, silences } = this.#parts;
    const silenceOf = silences.finder(await silences.active());
    const groups = new Map<string, Groups>();
    const silenced: Change[] = [];
    const loud = [];
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

  async #messages(loud: readonly (Change & { groups: Groups })[]): Promise<NewMessage[]> {
    if (loud.length === 0) return [];
    const { host, settings, channels } = this.#parts;
    const drafts: Omit<NewMessage, 'notice'>[] = [];
    const parts: Change[][] = [];
    const draft = (message: Omit<NewMessage, 'notice'>, changes: Change[]): void => {
      drafts.push(message);
      parts.push(changes);
    };
    if ((await settings.get()).email && host.mail)
      for (const { reach, emails } of await this.#mailboxes()) {
        const mine = reach === 'all' ? loud : loud.filter(({ groups }) => groups.some((one) => reach.includes(one)));
        const channel = reach === 'all' ? usersChannel : `${usersChannel} ${reach.join(' ')}`;
        for (const changes of this.#split(channel, mine))
          for (let at = 0; at < emails.length; at += perMail)
            draft(
              { channel: usersChannel, channel_name: usersChannel, kind: 'email', to: emails.slice(at, at + perMail) },
              changes,
            );
      }
    const isMember = this.#membership();
    for (const channel of await channels.list()) {
      if (!channel.enabled) continue;
      const wanted = [];
      for (const change of loud) if (await wants(channel, change, isMember)) wanted.push(change);
      const { id, name, kind } = channel;
      for (const changes of this.#split(id, wanted)) draft({ channel: id, channel_name: name, kind }, changes);
    }
    const contents = await this.#contents(parts.flatMap((changes) => changes.slice(0, listed).map(({ seq }) => seq)));
    return drafts.map((message, at) => ({ ...message, notice: noticeOf(parts[at] ?? [], contents) }));
  }

  /** Changes by message: one a name and level while the channel's minute has room, then all that is left together. */
  #split(channel: string, changes: readonly Change[]): Change[][] {
    if (changes.length === 0) return [];
    const now = this.#parts.clock.now();
    const minute = Math.floor(now / 60_000);
    const known = this.#made.get(channel);
    const count = known?.minute === minute ? known.count : 0;
    const groups = [...Map.groupBy(changes, ({ level, name }) => `${level} ${name}`).values()];
    const room = Math.max(0, perMinute - count);
    const split = groups.length <= room ? groups : [...groups.slice(0, room), groups.slice(room).flat()];
    if (groups.length > room) this.#notBefore = now + rest;
    this.#made.set(channel, { minute, count: count + split.length });
    return split;
  }

  /** Users who may read devices, together with those who may read the same. */
  async #mailboxes(): Promise<{ reach: Reach; emails: string[] }[]> {
    const people = await this.#parts.host.peopleWith('devices:read');
    const byReach = Map.groupBy(people, ({ reach }) => (reach === 'all' ? 'all' : [...reach].sort().join(' ')));
    return [...byReach.values()].map((ofReach) => ({
      reach: ofReach[0]?.reach ?? [],
      emails: ofReach.map(({ email }) => email),
    }));
  }

  async #contents(seqs: readonly number[]): Promise<Map<number, string>> {
    const contents = new Map<number, string>();
    const wanted = [...new Set(seqs)];
    for (let at = 0; at < wanted.length; at += 500) {
      const rows = await this.#parts.host
        .tables<Tables>()
        .selectFrom('addon_monitor_events')
        .select(['seq', 'content'])
        .where('seq', 'in', wanted.slice(at, at + 500))
        .execute();
      for (const { seq, content } of rows) contents.set(seq, content);
    }
    return contents;
  }

  /** Membership is asked once a group. */
  #membership(): IsMember {
    const members = new Map<string, Promise<ReadonlySet<string>>>();
    return async ({ device_id, groups }, group) => {
      if (groups.includes(group)) return true;
      const known = members.get(group) ?? this.#parts.host.acceptedDevices(group).then((ids) => new Set(ids));
      members.set(group, known);
      return (await known).has(device_id);
    };
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

type Groups = readonly string[];
type IsMember = (change: Change & { groups: Groups }, group: string) => Promise<boolean>;

async function wants(channel: Known, change: Change & { groups: Groups }, isMember: IsMember): Promise<boolean> {
  const { groups, levels, checks, recoveries } = channel;
  if (change.level === 'OK' && !recoveries) return false;
  // A recovery is told where the trouble was.
  const level = change.level === 'OK' ? change.before : change.level;
  if (levels.length > 0 && !levels.includes(level)) return false;
  if (checks.length > 0 && !checks.some((pattern) => isLike(pattern, change.key))) return false;
  if (groups.length === 0) return true;
  for (const group of groups) if (await isMember(change, group)) return true;
  return false;
}

function changeOf(row: { level: string; before: string } & Omit<Change, 'level' | 'before'>): Change {
  const { seq, device_id, key, name, level, before, ts } = row;
  return { seq, device_id, key, name, level: level as Level, before: before as Level, ts };
}
