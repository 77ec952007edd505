import { sql, type Transaction } from 'kysely';
import { CodedError } from '#base/errors';
import type { Host } from './host.ts';
import type { Alert } from '../alert.ts';
import type { Clock } from './clock.ts';
import type { EventRow, StateRow, Tables } from './tables.ts';
import { changeOf, type Known, type Taken, takenOf } from './taken.ts';

/** Checks of one device that are remembered; more than that are not checks. */
const statesPerDevice = 1000;
/** Posts that wait to be written: after that devices are told to come again. */
const postsWaiting = 2000;
/** Posts written in one transaction, when several wait. */
const together = 64;
/** How long an alert without an id may have waited on its device and still be ordered by its own time, ms. */
const late = 7 * 24 * 3600_000;
const skew = 5 * 60_000;

interface Post {
  readonly deviceId: string;
  readonly alerts: readonly Taken[];
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

/** What the metrics show. */
export type Received = Record<'taken' | 'again', number>;

/**
 * Takes alerts: history, latest state, inventory and outbox change in one transaction, and only then is a device told that
 * its alerts are kept. Posts that come while one is written are written together.
 */
export class Intake {
  readonly received: Received = { taken: 0, again: 0 };
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #wake: () => void;
  readonly #waiting: Post[] = [];
  #writing = false;

  /** `wake`: there is something to tell people of. */
  constructor(host: Host, clock: Clock, wake: () => void) {
    this.#host = host;
    this.#clock = clock;
    this.#wake = wake;
  }

  /** Settles when all of it is on disk. Throws `bad_request` for a time that is none, `too_many_requests` when too much waits. */
  async take(deviceId: string, alerts: readonly Alert[]): Promise<void> {
    if (alerts.length === 0) return;
    const taken = alerts.map(takenOf);
    if (this.#waiting.length >= postsWaiting)
      throw new CodedError('too_many_requests', 'too many alerts at once: try again in a few seconds');
    await new Promise<void>((done, failed) => {
      this.#waiting.push({ deviceId, alerts: taken, done, failed });
      if (!this.#writing) void this.#write();
    });
  }

  async #write(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) {
      const posts = this.#waiting.splice(0, together);
      try {
        await this.#commit(posts);
      } catch (error) {
        if (posts.length === 1) posts[0]?.failed(error);
        // One of them cannot be written; the others can.
        else for (const post of posts) await this.#commit([post]).catch(post.failed);
      }
    }
    this.#writing = false;
  }

  async #commit(posts: readonly Post[]): Promise<void> {
    const db = this.#host.tables<Tables>();
    // Rows of devices are locked, in one order: nothing that is read here changes meanwhile.
    const work = db.transaction().setIsolationLevel('read committed');
    const results = await work.execute((trx) => this.#apply(trx, posts));
    for (const post of posts) post.done();
    for (const { deviceId, taken, again, changed, told } of results) {
      this.received.taken += taken;
      this.received.again += again;
      if (changed) this.#host.changed(deviceId);
      if (told) this.#wake();
    }
  }

  /** What some devices sent, a few statements for all of them. */
  async #apply(trx: Transaction<Tables>, posts: readonly Post[]) {
    const byDevice = new Map(
      [...Map.groupBy(posts, ({ deviceId }) => deviceId)]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([id, ofDevice]) => [id, ofDevice.flatMap(({ alerts }) => alerts)]),
    );
    const ids = [...byDevice.keys()];
    await trx
      .insertInto('addon_monitor_reports')
      .values(ids.map((device_id) => ({ device_id })))
      .onConflict((c) => c.column('device_id').doUpdateSet((e) => ({ device_id: e.ref('excluded.device_id') })))
      .execute();
    const known = await this.#known(trx, byDevice);
    const rows = await trx
      .selectFrom('addon_monitor_states')
      .selectAll()
      .where(this.#host.isOneOf('device_id', ids))
      .execute();
    const statesOf = Map.groupBy(rows, ({ device_id }) => device_id);
    const received = new Date(this.#clock.now()).toISOString();
    const changes = [...byDevice].map(([id, alerts]) =>
      this.#changesOf(id, alerts, statesOf.get(id) ?? [], known, received),
    );
    await inPortions(
      changes.flatMap(({ alerts }) => alerts),
      (portion) => trx.insertInto('addon_monitor_alerts').values(portion).execute(),
    );
    for (const { deviceId, excess } of changes)
      if (excess.length > 0)
        await trx
          .deleteFrom('addon_monitor_states')
          .where('device_id', '=', deviceId)
          .where(this.#host.isOneOf('key', excess))
          .execute();
    await inPortions(
      changes.flatMap(({ states }) => states),
      (portion) => writeStates(trx, portion),
    );
    await inPortions(
      changes.flatMap(({ events }) => events),
      (portion) => trx.insertInto('addon_monitor_events').values(portion).execute(),
    );
    const counted = changes.flatMap(({ deviceId, count }) => (count === undefined ? [] : [{ deviceId, count }]));
    if (counted.length > 0)
      await this.#host.setAttributes(
        trx as unknown as Transaction<never>,
        new Map(counted.map(({ deviceId, count }) => [deviceId, { alerts: count > 0, alert_count: count }])),
      );
    return changes.map(({ deviceId, alerts, again, states, events }) => ({
      deviceId,
      taken: alerts.length,
      again,
      changed: states.length > 0,
      told: events.length > 0,
    }));
  }

  /** What the alerts of a device make of its states. */
  #changesOf(
    deviceId: string,
    alerts: readonly Taken[],
    rows: readonly StateRow[],
    known: ReadonlySet<string>,
    received: string,
  ) {
    const fresh = [...new Map(alerts.toReversed().map((one) => [one.id, one])).values()]
      .toReversed()
      .filter(({ id }) => !known.has(`${deviceId} ${id}`))
      .map((one) => ({ ...one, seq: this.#clock.next() }));
    const states = new Map(rows.map((state) => [state.key, state]));
    const before = countBad(states.values());
    const changed = new Set<string>();
    const events: EventRow[] = [];
    for (const one of fresh) {
      const state = states.get(one.key);
      if (state && this.#isLate(one, state)) continue;
      const change = changeOf(state, one, received);
      states.set(one.key, { device_id: deviceId, ...change.state });
      changed.add(one.key);
      if (change.event)
        events.push({ ...change.event, device_id: deviceId, seq: this.#clock.next(), queued: received });
    }
    const excess = [...states.values()]
      .sort((a, b) => a.bad - b.bad || a.seq - b.seq)
      .slice(0, Math.max(0, states.size - statesPerDevice))
      .map(({ key }) => key);
    for (const key of excess) states.delete(key);
    const count = countBad(states.values());
    // Nothing is written where nothing changed.
    const counts = (rows.length === 0 && changed.size > 0) || count !== before;
    return {
      deviceId,
      again: alerts.length - fresh.length,
      alerts: fresh.map(({ id, key, alert: { level }, ts, seq, content }) => ({
        device_id: deviceId,
        id,
        key,
        level,
        ts,
        received,
        seq,
        content,
      })),
      states: [...changed].flatMap((key) => states.get(key) ?? []),
      events,
      excess,
      count: counts ? count : undefined,
    };
  }

  /** Those of the devices' own ids that have come before, each with its device. */
  async #known(trx: Transaction<Tables>, byDevice: ReadonlyMap<string, readonly Taken[]>): Promise<Set<string>> {
    const wanted = [...byDevice].flatMap(([device, alerts]) =>
      alerts.filter(({ own }) => own).map(({ id }) => sql`(${device}, ${id})`),
    );
    const known = new Set<string>();
    await inPortions(wanted, async (portion) => {
      const rows = await trx
        .selectFrom('addon_monitor_alerts')
        .select(['device_id', 'id'])
        .where(sql<boolean>`(device_id, id) in (values ${sql.join(portion)})`)
        .execute();
      for (const { device_id, id } of rows) known.add(`${device_id} ${id}`);
    });
    return known;
  }

  /**
   * Ours come in order. Of those of the original, one that waited in its store may come after a newer one: then its time says
   * so, unless the clock of one of the two was wrong, when the order of arrival is all that there is.
   */
  #isLate({ own, ts }: Taken, known: Known): boolean {
    const now = this.#clock.now();
    return !own && ts < known.ts && Date.parse(known.ts) < now + skew && now - Date.parse(ts) < late;
  }
}

/** Rows of one statement: databases take a limited number of parameters. */
async function inPortions<T>(rows: readonly T[], write: (portion: T[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < rows.length; at += 500) await write(rows.slice(at, at + 500));
}

async function writeStates(trx: Transaction<Tables>, rows: readonly StateRow[]): Promise<void> {
  await trx
    .insertInto('addon_monitor_states')
    .values(rows)
    .onConflict((c) =>
      c.columns(['device_id', 'key']).doUpdateSet((e) => ({
        name: e.ref('excluded.name'),
        level: e.ref('excluded.level'),
        bad: e.ref('excluded.bad'),
        since: e.ref('excluded.since'),
        received: e.ref('excluded.received'),
        ts: e.ref('excluded.ts'),
        seq: e.ref('excluded.seq'),
        alert_id: e.ref('excluded.alert_id'),
        content: e.ref('excluded.content'),
        acked_by: e.ref('excluded.acked_by'),
        acked_ts: e.ref('excluded.acked_ts'),
        acked_note: e.ref('excluded.acked_note'),
        told: e.ref('excluded.told'),
      })),
    )
    .execute();
}

const countBad = (states: Iterable<Known>): number => [...states].filter(({ bad }) => bad === 1).length;
