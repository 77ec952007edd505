import { createHash } from 'node:crypto';
import { badRequest, HttpError } from '../errors.ts';
import type { Db } from '../store/store.ts';

const keysLimit = 1024;
const keyLimit = 128;
const textLimit = 4096;

/** Free JSON objects that clients keep on the server (`server-api.md` §2.8, §5): one for all, one a user. */
export class Settings {
  readonly #db: Db;
  constructor(db: Db) {
    this.#db = db;
  }

  /** The object of an owner, `{}` where there is none, and the name of this version of it. */
  async get(owner: string): Promise<{ document: Record<string, unknown>; etag: string }> {
    const row = await this.#db.selectFrom('settings').select('document').where('owner', '=', owner).executeTakeFirst();
    const text = row?.document ?? '{}';
    return { document: JSON.parse(text) as Record<string, unknown>, etag: etagOf(text) };
  }

  /** Replaces it; 412 if `ifMatch` names another version than the stored one. */
  async put(owner: string, document: Readonly<Record<string, unknown>>, ifMatch: string | undefined): Promise<void> {
    check(document);
    const text = JSON.stringify(document);
    await this.#db.transaction().execute(async (tx) => {
      const row = await tx.selectFrom('settings').select('document').where('owner', '=', owner).executeTakeFirst();
      if (ifMatch !== undefined && ifMatch !== etagOf(row?.document ?? '{}'))
        throw new HttpError('precondition_failed', 'the settings were changed by somebody else: read them again');
      await tx
        .insertInto('settings')
        .values({ owner, document: text })
        .onConflict((c) => c.column('owner').doUpdateSet({ document: text }))
        .execute();
    });
  }
}

function check(document: Readonly<Record<string, unknown>>): void {
  const entries = Object.entries(document);
  if (entries.length > keysLimit) throw badRequest(`settings: more than ${keysLimit} keys`);
  for (const [key, value] of entries) {
    if (key.length > keyLimit) throw badRequest(`settings: a key is longer than ${keyLimit} characters`);
    if (typeof value === 'string' && value.length > textLimit)
      throw badRequest(`settings: the value of "${key}" is longer than ${textLimit} characters`);
  }
}

const etagOf = (text: string): string => `"${createHash('sha256').update(text).digest('base64url').slice(0, 22)}"`;
