import type { Policy } from '#proto/http/users';
import type { Db } from '../store/store.ts';

const owner = '#policy';
const usual: Policy = { second_factor: 'optional', audit_days: 365 };

/** What administrators decide for all. Kept apart from the settings that any client of the reference replaces whole. */
export class Policies {
  readonly #db: Db;
  constructor(db: Db) {
    this.#db = db;
  }

  async get(): Promise<Policy> {
    const row = await this.#db.selectFrom('settings').select('document').where('owner', '=', owner).executeTakeFirst();
    return { ...usual, ...(row ? (JSON.parse(row.document) as Partial<Policy>) : {}) };
  }

  async put(policy: Policy): Promise<void> {
    const document = JSON.stringify(policy);
    await this.#db
      .insertInto('settings')
      .values({ owner, document })
      .onConflict((c) => c.column('owner').doUpdateSet({ document }))
      .execute();
  }

  /** By our policy, or by the key of the settings with which the reference says it (`server-api.md` §4.5). */
  async secondFactorRequired(): Promise<boolean> {
    const rows = await this.#db
      .selectFrom('settings')
      .select(['owner', 'document'])
      .where('owner', 'in', [owner, 'global'])
      .execute();
    return rows.some(({ owner: whose, document }) => {
      const said = JSON.parse(document) as Record<string, unknown>;
      return whose === owner ? said['second_factor'] === 'required' : said['2fa'] === 'enabled';
    });
  }
}
