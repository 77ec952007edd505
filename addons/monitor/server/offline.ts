import { sql } from 'kysely';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '#base/errors';
import type { Host } from './host.ts';
import type { Alert } from '../alert.ts';
import type { Clock } from './clock.ts';
import type { Intake } from './intake.ts';
import type { Settings } from './settings.ts';
import type { Tables } from './tables.ts';

/** The check that the server makes itself. */
export const offlineCheck = 'offline';
const name = 'Device offline';

/** How often those who are away are looked at, ms: also how exact it is. */
const interval = 1000;
/** Devices written down together. */
const portion = 200;

/**
 * A device that had its connection once and is without it for a time is offline: a check of its own, made by the server.
 * What is known of who is away is in the database, so that a start of the server neither forgets it nor says it again.
 */
export class Offline {
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #intake: Intake;
  readonly #settings: Settings;
  /** Since when somebody is away whom nobody was told of, by ticks: a clock that is set calls nobody offline. */
  readonly #away = new Map<string, number>();
  /** Those who came back and may have been called offline. */
  readonly #back = new Set<string>();
  #stale = true;

  constructor(host: Host, clock: Clock, intake: Intake, settings: Settings) {
    this.#host = host;
    this.#clock = clock;
    this.#intake = intake;
    this.#settings = settings;
    settings.onChange(() => void (this.#stale = true));
  }

  presence(deviceId: string, connected: boolean): void {
    if (connected) {
      this.#away.delete(deviceId);
      this.#back.add(deviceId);
    } else {
      this.#back.delete(deviceId);
      this.#away.set(deviceId, this.#clock.ticks());
    }
  }

  forget(deviceId: string): void {
    this.#away.delete(deviceId);
    this.#back.delete(deviceId);
  }

  async run(signal: AbortSignal): Promise<void> {
    const started = this.#clock.ticks();
    while (!signal.aborted) {
      try {
        await this.#look(started);
      } catch (error) {
        if (!signal.aborted) this.#host.log.error('presence not looked at', { error: messageOf(error) });
      }
      await sleep(interval, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #look(started: number): Promise<void> {
    const { offline_seconds: seconds, offline_grace_seconds: grace } = await this.#known();
    await this.#returned();
    const ticks = this.#clock.ticks();
    if (seconds === 0 || ticks < started + grace * 1000) return;
    const now = this.#clock.now();
    const due = [...this.#away].filter(([, since]) => ticks - since >= seconds * 1000).map(([id]) => id);
    for (let at = 0; at < due.length; at += portion) {
      const ids = due.slice(at, at + portion);
      // Who is not accepted any more, or is back at another server, is not offline.
      const still = new Map((await this.#host.awayDevices(ids)).map(({ deviceId, since }) => [deviceId, since]));
      await Promise.all(
        [...still].map(([id, since]) =>
          this.#intake.take(id, [alertOf('CRITICAL', now, `no connection since ${since.toISOString()}`)]),
        ),
      );
      for (const id of ids) this.#away.delete(id);
    }
  }

  /** Tells that they are back of those who were offline. */
  async #returned(): Promise<void> {
    if (this.#back.size === 0) return;
    const ids = [...this.#back];
    const offline = await this.#offline(ids);
    for (let at = 0; at < offline.length; at += portion)
      await Promise.all(
        offline
          .slice(at, at + portion)
          .map((id) => this.#intake.take(id, [alertOf('OK', this.#clock.now(), 'connected again')])),
      );
    for (const id of ids) this.#back.delete(id);
  }

  async #offline(ids?: readonly string[]): Promise<string[]> {
    const rows = await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_states')
      .select('device_id')
      .where('bad', '=', sql.lit(1))
      .where('key', '=', offlineCheck)
      .$if(ids !== undefined, (q) => q.where(this.#host.isOneOf('device_id', ids ?? [])))
      .execute();
    return rows.map(({ device_id }) => device_id);
  }

  #kept: { offline_seconds: number; offline_grace_seconds: number } = { offline_seconds: 0, offline_grace_seconds: 0 };

  /** The settings; at the start and after a change with a look at who is away as the database knows it. */
  async #known() {
    if (!this.#stale) return this.#kept;
    this.#stale = false;
    this.#kept = await this.#settings.get();
    const away = await this.#host.awayDevices();
    const known = new Set(await this.#offline());
    for (const { deviceId, since } of away)
      if (!known.has(deviceId) && !this.#away.has(deviceId))
        this.#away.set(deviceId, this.#clock.ticks() - Math.max(0, this.#clock.now() - since.getTime()));
    const gone = new Set(away.map(({ deviceId }) => deviceId));
    // Nobody is called offline any more, or he came back while the server was not there to see it.
    for (const id of known) if (this.#kept.offline_seconds === 0 || !gone.has(id)) this.#back.add(id);
    return this.#kept;
  }
}

function alertOf(level: 'OK' | 'CRITICAL', now: number, description: string): Alert {
  const status = level === 'OK' ? 'online' : 'offline';
  return {
    check: offlineCheck,
    name,
    level,
    timestamp: new Date(now).toISOString(),
    subject: { name: 'connection', type: 'presence', status, details: { description } },
  };
}
