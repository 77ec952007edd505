import { type Static, Type } from 'typebox';
import type { Host } from './host.ts';
import type { MonitorSettings } from '../answers.ts';
import type { Tables } from './tables.ts';

const days = Type.Integer({ minimum: 1, maximum: 3650 });

/** What an administrator may set; what is not given stays. */
export const SettingsChange = Type.Object(
  {
    email: Type.Optional(Type.Boolean()),
    history_days: Type.Optional(days),
    offline_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 604_800 })),
    offline_grace_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 86_400 })),
    group_seconds: Type.Optional(Type.Integer({ minimum: 0, maximum: 600 })),
  },
  { additionalProperties: false },
);
export type SettingsChange = Static<typeof SettingsChange>;

export type Set = Omit<MonitorSettings, 'mail_configured'>;

const usual: Set = {
  email: true,
  history_days: 30,
  offline_seconds: 300,
  offline_grace_seconds: 300,
  group_seconds: 5,
};

/** What is set for the whole server. */
export class Settings {
  readonly #host: Host;
  readonly #listeners: (() => void)[] = [];

  constructor(host: Host) {
    this.#host = host;
  }

  async get(): Promise<Set> {
    const row = await this.#host
      .tables<Tables>()
      .selectFrom('addon_monitor_settings')
      .select('document')
      .where('id', '=', 1)
      .executeTakeFirst();
    return { ...usual, ...(row ? (JSON.parse(row.document) as Partial<Set>) : {}) };
  }

  async change(change: SettingsChange): Promise<{ before: Set; after: Set }> {
    const changed = await this.#host
      .tables<Tables>()
      .transaction()
      .execute(async (trx) => {
        const row = await trx
          .selectFrom('addon_monitor_settings')
          .select('document')
          .where('id', '=', 1)
          .executeTakeFirst();
        const own = row ? (JSON.parse(row.document) as Partial<Set>) : {};
        const document = JSON.stringify({ ...own, ...change });
        await trx
          .insertInto('addon_monitor_settings')
          .values({ id: 1, document })
          .onConflict((c) => c.column('id').doUpdateSet({ document }))
          .execute();
        return { before: { ...usual, ...own }, after: { ...usual, ...own, ...change } };
      });
    for (const listener of this.#listeners) listener();
    return changed;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }
}
