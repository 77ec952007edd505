import type { Host } from './host.ts';
import type { DeviceChecks } from '../answers.ts';
import type { ReportedCheck } from '../check.ts';
import { assigned, type CheckLayers } from './check-layers.ts';
import type { Clock } from './clock.ts';
import type { Tables } from './tables.ts';

/** That a device asked for its checks is written so often, ms: it asks all the time. */
const askedEvery = 60_000;

/** What devices say they watch, and which checks they were given. */
export class Reports {
  readonly #host: Host;
  readonly #clock: Clock;
  constructor(host: Host, clock: Clock) {
    this.#host = host;
    this.#clock = clock;
  }

  async report(deviceId: string, config: readonly ReportedCheck[]): Promise<void> {
    const now = new Date(this.#clock.now()).toISOString();
    const before = await this.#row(deviceId);
    const text = JSON.stringify(config);
    await this.#set(deviceId, { config: text, config_ts: now });
    if (before?.config !== text) this.#host.changed(deviceId);
  }

  async config(deviceId: string): Promise<ReportedCheck[]> {
    const row = await this.#row(deviceId);
    return row?.config ? (JSON.parse(row.config) as ReportedCheck[]) : [];
  }

  /** The device was given this version; asked again for the same soon after, nothing is written. */
  async asked(deviceId: string, version: string): Promise<void> {
    const row = await this.#row(deviceId);
    const now = this.#clock.now();
    if (row?.asked_version === version && row.asked_ts && now - Date.parse(row.asked_ts) < askedEvery) return;
    await this.#set(deviceId, { asked_ts: new Date(now).toISOString(), asked_version: version });
  }

  /** What a device is asked for, and what it says of it. */
  async whole(deviceId: string, layers: CheckLayers): Promise<DeviceChecks> {
    const checks = await layers.effective(deviceId);
    const row = await this.#row(deviceId);
    const reported = row?.config ? (JSON.parse(row.config) as ReportedCheck[]) : [];
    const { version } = assigned(checks);
    return {
      id: deviceId,
      version,
      ...(row?.asked_version ? { given_version: row.asked_version } : {}),
      ...(row?.asked_ts ? { asked_ts: row.asked_ts } : {}),
      ...(row?.config_ts ? { reported_ts: row.config_ts } : {}),
      checks: [...checks].map(([id, { check, origin, overrides }]) => {
        const said = reported.find((one) => isOf(one, check));
        const applied = said === undefined ? 'unknown' : said.refused === undefined ? 'applied' : 'refused';
        return {
          id,
          check,
          origin,
          overrides: [...overrides],
          applied,
          ...(said?.refused === undefined ? {} : { refused: said.refused }),
        };
      }),
      reported,
    };
  }

  async forget(deviceId: string): Promise<void> {
    await this.#host.tables<Tables>().deleteFrom('addon_monitor_reports').where('device_id', '=', deviceId).execute();
  }

  async #row(deviceId: string) {
    return await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_reports')
      .selectAll()
      .where('device_id', '=', deviceId)
      .executeTakeFirst();
  }

  async #set(deviceId: string, change: Partial<Tables['addon_monitor_reports']>): Promise<void> {
    const none = { config: null, config_ts: null, asked_ts: null, asked_version: null };
    await this.#host
      .tables<Tables>()
      .insertInto('addon_monitor_reports')
      .values({ device_id: deviceId, ...none, ...change })
      .onConflict((c) => c.column('device_id').doUpdateSet(change))
      .execute();
  }
}

/** The original says `crond.sh` of type `service`; files are called `service_crond.sh`. A local check of that name is another. */
function isOf({ name, type, origin }: ReportedCheck, check: { type: string; name: string }): boolean {
  if (origin === 'local' || type !== check.type) return false;
  const plain = name.replace(/\.sh$/, '');
  return plain === check.name || plain === `${check.type}_${check.name}`;
}
