import type { Reach } from '#addon/server';
import type { Channels, Known } from './channels.ts';
import type { Clock } from './clock.ts';
import type { Host } from './host.ts';
import type { NewMessage } from './messages.ts';
import { type Change, listed, noticeOf } from './notice.ts';
import type { Settings } from './settings.ts';
import { isLike } from './silences.ts';
import type { Tables } from './tables.ts';

/** Messages a minute of one channel that tell of one name each; whatever there is beyond is one message together. */
const perMinute = 20;
/** After such a one nothing is planned for so long, ms. */
const rest = 10_000;
/** Mailboxes that one e-mail goes to. */
const perMail = 50;

/** The channel that every user's e-mail is. */
export const usersChannel = 'users';

export interface DraftsParts {
  readonly host: Host;
  readonly clock: Clock;
  readonly settings: Settings;
  readonly channels: Channels;
}

/** A change that people are to be told of, and the groups of its device. */
export interface Loud extends Change {
  readonly groups: readonly string[];
}

/** Whom changes are told, and in how many messages: users who may see the device, and channels that want such a thing. */
export class Drafts {
  readonly #parts: DraftsParts;
  /** What each channel was given in the minute that it was given something last. */
  readonly #made = new Map<string, { minute: number; count: number }>();
  #notBefore = 0;

  constructor(parts: DraftsParts) {
    this.#parts = parts;
  }

  /** Until then all that comes is to be gathered, because a channel's minute was full; ms since the epoch. */
  get notBefore(): number {
    return this.#notBefore;
  }

  /** A message each for whoever wants to know of them, as far as the minutes of the channels have room. */
  async draft(loud: readonly Loud[]): Promise<NewMessage[]> {
    if (loud.length === 0) return [];
    const { host, settings, channels } = this.#parts;
    const drafts: Omit<NewMessage, 'notice'>[] = [];
    const parts: Change[][] = [];
    const add = (message: Omit<NewMessage, 'notice'>, changes: Change[]): void => {
      drafts.push(message);
      parts.push(changes);
    };
    if ((await settings.get()).email && host.mail)
      for (const { reach, emails } of await this.#mailboxes()) {
        const mine = reach === 'all' ? loud : loud.filter(({ groups }) => groups.some((one) => reach.includes(one)));
        const channel = reach === 'all' ? usersChannel : `${usersChannel} ${reach.join(' ')}`;
        for (const changes of this.#split(channel, mine))
          for (let at = 0; at < emails.length; at += perMail)
            add(
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
      for (const changes of this.#split(id, wanted)) add({ channel: id, channel_name: name, kind }, changes);
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
}

type IsMember = (change: Loud, group: string) => Promise<boolean>;

async function wants(channel: Known, change: Loud, isMember: IsMember): Promise<boolean> {
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
