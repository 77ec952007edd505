import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { CodedError } from '#base/errors';
import type { Host } from './host.ts';
import type { AssignedChecks, Check } from '../check.ts';
import type { Tables } from './tables.ts';

/** Where checks are given: for all devices, for those of a group, for one. The name is the group's or the device's id. */
export interface Place {
  readonly kind: 'fleet' | 'group' | 'device';
  readonly name: string;
}
export const fleet: Place = { kind: 'fleet', name: '' };

export interface Content {
  readonly checks: readonly Check[];
  /** Names of checks of weaker places that are not made here. */
  readonly without: readonly string[];
}

export interface Layer extends Content {
  readonly place: Place;
  /** Counts from 1 with each change; 0: nothing was ever given. */
  readonly version: number;
  readonly priority: number;
  readonly updated_ts?: string;
  readonly updated_by?: string;
}

export interface Version extends Content {
  readonly version: number;
  readonly ts: string;
  readonly by: string;
  readonly reverts?: number;
}

export interface Effective {
  readonly check: Check;
  readonly origin: Place;
  /** Places that give it as well, and lose; the strongest first. */
  readonly overrides: readonly Place[];
}

/** What a check is called on a device. */
export const idOf = ({ type, name }: Pick<Check, 'type' | 'name'>): string => `${type}_${name}`;

const ranks = { fleet: 0, group: 1, device: 2 } as const;
const perPlace = 200;
export const perDevice = 500;
const historyLimit = 100;

/** The weakest first: fleet, groups, device; of groups the lower priority, and of the same the name that is later in order. */
export const compare = (a: Layer, b: Layer): number =>
  ranks[a.place.kind] - ranks[b.place.kind] ||
  a.priority - b.priority ||
  (a.place.name < b.place.name ? 1 : a.place.name > b.place.name ? -1 : 0);

/** What several layers add up to, by the checks' names. */
export function effective(layers: readonly Layer[]): Map<string, Effective> {
  const found = new Map<string, Effective>();
  for (const { place, checks, without } of layers.toSorted(compare)) {
    for (const id of without) found.delete(id);
    for (const check of checks) {
      const beaten = found.get(idOf(check));
      found.set(idOf(check), { check, origin: place, overrides: beaten ? [beaten.origin, ...beaten.overrides] : [] });
    }
  }
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** All checks of a device, and the name of exactly these. */
export function assigned(checks: ReadonlyMap<string, Effective>): AssignedChecks {
  const list = [...checks.values()].slice(0, perDevice).map(({ check }) => check);
  const hash = createHash('sha256').update(JSON.stringify(list)).digest('base64url');
  return { version: hash.slice(0, 22), checks: list };
}

/** What changed from one version to the next. */
export function differences(before: Content, after: Content) {
  const [then, now] = [before, after].map(({ checks }) => new Map(checks.map((check) => [idOf(check), check])));
  const same = (id: string): boolean => JSON.stringify(then?.get(id)) === JSON.stringify(now?.get(id));
  const left = before.without.filter((id) => !after.without.includes(id));
  return {
    added: [...(now?.keys() ?? [])].filter((id) => !then?.has(id)),
    changed: [...(now?.keys() ?? [])].filter((id) => then?.has(id) && !same(id)),
    removed: [...(then?.keys() ?? [])].filter((id) => !now?.has(id)),
    ...(left.length > 0 ? { allowed: left } : {}),
  };
}

/** Throws `bad_request` for a list that no place can have. */
export function checkContent({ checks, without }: Content): void {
  const ids = checks.map(idOf);
  const twice = ids.find((id, at) => ids.indexOf(id) !== at);
  if (twice !== undefined) throw new CodedError('bad_request', `checks: ${twice} is there twice`);
  if (checks.length > perPlace)
    throw new CodedError('bad_request', `checks: ${checks.length}, at most ${perPlace} can be given in one place`);
  const both = without.find((id) => ids.includes(id));
  if (both !== undefined)
    throw new CodedError('bad_request', `without: ${both} is also among the checks: it is one or the other`);
}

/** What is given where, with its history. */
export class CheckLayers {
  readonly #host: Host;
  constructor(host: Host) {
    this.#host = host;
  }

  get #db(): Kysely<Tables> {
    return this.#host.tables<Tables>();
  }

  /** One that was never given is empty. */
  async get(place: Place): Promise<Layer> {
    return await read(this.#db, place);
  }

  /** All that are given for the fleet and for groups, the weakest first. */
  async shared(): Promise<Layer[]> {
    const rows = await this.#db
      .selectFrom('addon_monitor_checks')
      .selectAll()
      .where('kind', 'in', ['fleet', 'group'])
      .execute();
    return rows.map(layerOf).sort(compare);
  }

  async effective(deviceId: string): Promise<Map<string, Effective>> {
    const layers: Layer[] = [await this.get({ kind: 'device', name: deviceId })];
    for (const layer of await this.shared())
      if (layer.place.kind === 'fleet' || (await this.#host.inGroup(deviceId, layer.place.name))) layers.push(layer);
    return effective(layers);
  }

  /** Gives these checks in a place; what is as it was gets no version of its own. */
  async change(
    place: Place,
    by: string,
    given: Content & { readonly priority?: number; readonly reverts?: number },
  ): Promise<{ before: Layer; after: Layer }> {
    checkContent(given);
    return await this.#db.transaction().execute(async (trx) => {
      const before = await read(trx, place);
      const { checks, without, priority = before.priority, reverts = null } = given;
      const content = JSON.stringify({ checks, without });
      const same = content === JSON.stringify({ checks: before.checks, without: before.without });
      if (same && priority === before.priority) return { before, after: before };
      const version = before.version + 1;
      const ts = new Date().toISOString();
      const change = { content, version, priority, updated_ts: ts, updated_by: by };
      await trx
        .insertInto('addon_monitor_checks')
        .values({ ...place, ...change })
        .onConflict((c) => c.columns(['kind', 'name']).doUpdateSet(change))
        .execute();
      await trx
        .insertInto('addon_monitor_check_history')
        .values({ ...place, version, content, ts, by_whom: by, reverts })
        .execute();
      await trx
        .deleteFrom('addon_monitor_check_history')
        .where('kind', '=', place.kind)
        .where('name', '=', place.name)
        .where('version', '<', version - historyLimit)
        .execute();
      return { before, after: { place, checks, without, version, priority, updated_ts: ts, updated_by: by } };
    });
  }

  /** Gives again what was given at a version. Throws `not_found`. */
  async revert(place: Place, version: number, by: string) {
    const [then] = await this.#versions(place, 1, version + 1);
    if (then?.version !== version) throw new CodedError('not_found', `there is no version ${version}`);
    return await this.change(place, by, { checks: then.checks, without: then.without, reverts: version });
  }

  /** The newest first, each with the one before it, unless that is forgotten. */
  async history(place: Place, limit: number, before?: number): Promise<{ version: Version; previous?: Content }[]> {
    const rows = await this.#versions(place, limit + 1, before);
    return rows.slice(0, limit).map((version, at) => {
      const previous = rows[at + 1] ?? (version.version === 1 ? { checks: [], without: [] } : undefined);
      return { version, ...(previous ? { previous } : {}) };
    });
  }

  async forget(deviceId: string): Promise<void> {
    for (const table of ['addon_monitor_checks', 'addon_monitor_check_history'] as const)
      await this.#db.deleteFrom(table).where('kind', '=', 'device').where('name', '=', deviceId).execute();
  }

  async #versions({ kind, name }: Place, limit: number, before?: number): Promise<Version[]> {
    const rows = await this.#db
      .selectFrom('addon_monitor_check_history')
      .selectAll()
      .where('kind', '=', kind)
      .where('name', '=', name)
      .$if(before !== undefined, (q) => q.where('version', '<', before ?? 0))
      .orderBy('version', 'desc')
      .limit(limit)
      .execute();
    return rows.map(({ version, ts, by_whom, reverts, content }) => ({
      version,
      ts,
      by: by_whom,
      ...(reverts === null ? {} : { reverts }),
      ...(JSON.parse(content) as Content),
    }));
  }
}

async function read(db: Kysely<Tables>, place: Place): Promise<Layer> {
  const row = await db
    .selectFrom('addon_monitor_checks')
    .selectAll()
    .where('kind', '=', place.kind)
    .where('name', '=', place.name)
    .executeTakeFirst();
  return row ? layerOf(row) : { place, checks: [], without: [], version: 0, priority: 0 };
}

function layerOf(row: Tables['addon_monitor_checks']): Layer {
  const { kind, name, content, version, priority, updated_ts, updated_by } = row;
  return { place: { kind, name }, ...(JSON.parse(content) as Content), version, priority, updated_ts, updated_by };
}
