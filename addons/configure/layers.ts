import { type Values, valueOf } from './values.ts';

/** Where settings are given: for all devices, for those of a group, for one. The name is the group's or the device's id. */
export interface Place {
  readonly kind: 'fleet' | 'group' | 'device';
  readonly name: string;
}
export const fleet: Place = { kind: 'fleet', name: '' };

/** When each setting was last changed or removed, RFC 3339. */
export type Stamps = Readonly<Record<string, string>>;

/** What is given in one place. */
export interface Layer {
  readonly place: Place;
  readonly values: Values;
  readonly stamps: Stamps;
  /** Counts from 1 with each change; 0: nothing was ever given. */
  readonly revision: number;
  /** Of groups: the higher one wins. */
  readonly priority: number;
  readonly updated_ts?: string;
  readonly updated_by?: string;
}

/** A setting as it comes out of all the layers. */
export interface Effective {
  readonly value: string;
  readonly origin: Place;
  /** Layers that give it as well, and lose; the strongest first. */
  readonly overrides: readonly Place[];
  /** When it last became what it is: no change of a layer that loses counts. */
  readonly since: string;
}

const ranks = { fleet: 0, group: 1, device: 2 } as const;

/** The weakest first: fleet, groups, device; of groups the lower priority, and of the same the name that is later in order. */
export function compareLayers(a: Pick<Layer, 'place' | 'priority'>, b: Pick<Layer, 'place' | 'priority'>): number {
  const rank = ranks[a.place.kind] - ranks[b.place.kind] || a.priority - b.priority;
  return rank || (a.place.name < b.place.name ? 1 : a.place.name > b.place.name ? -1 : 0);
}

/** What layers add up to, by key; `layers` in any order. */
export function effective(layers: readonly Layer[]): Map<string, Effective> {
  const sorted = [...layers].sort(compareLayers);
  const result = new Map<string, Effective>();
  for (const key of new Set(sorted.flatMap(({ values }) => Object.keys(values)))) {
    const giving = sorted.filter(({ values }) => Object.hasOwn(values, key));
    const winner = giving.at(-1);
    if (!winner) continue;
    const heard = sorted.slice(sorted.indexOf(winner));
    result.set(key, {
      value: valueOf(winner.values, key) ?? '',
      origin: winner.place,
      overrides: giving
        .slice(0, -1)
        .reverse()
        .map(({ place }) => place),
      since: latest(heard.map(({ stamps }) => valueOf(stamps, key))),
    });
  }
  return result;
}

export const valuesOf = (settings: ReadonlyMap<string, Effective>): Values =>
  Object.fromEntries([...settings].map(([key, { value }]) => [key, value]));

/** Times are texts of one shape: the later is the greater. */
export const latest = (times: readonly (string | undefined)[]): string =>
  times.reduce<string>((last, time) => (time !== undefined && time > last ? time : last), '');

/** How many settings that are gone leave their time behind. */
const kept = 200;

/** The times after a change: those of what is there, and the newest of what is no more. */
export function stampsAfter(stamps: Stamps, before: Values, after: Values, now: string): Stamps {
  const times = new Map(Object.entries(stamps));
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)]))
    if (valueOf(before, key) !== valueOf(after, key)) times.set(key, now);
  const gone = [...times].filter(([key]) => !Object.hasOwn(after, key)).sort(([, a], [, b]) => (a < b ? 1 : -1));
  for (const [key] of gone.slice(kept)) times.delete(key);
  return Object.fromEntries(times);
}
