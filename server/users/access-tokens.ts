import { randomUUID } from 'node:crypto';
import { conflict, notFound, unprocessable } from '../errors.ts';
import { now, type Db } from '../store/store.ts';
import type { Keys } from '../tokens/keys.ts';
import type { Logins, Whence } from './logins.ts';

const tokensPerUser = 10;

export interface AccessToken {
  readonly id: string;
  readonly name: string;
  readonly created_ts: string;
  readonly expiration_date?: string;
  readonly last_used?: string;
}

/** Personal access tokens (`server-api.md` §2.8): shown once, kept as their ids only, good for what their owner may do. */
export class AccessTokens {
  readonly #db: Db;
  readonly #keys: Keys;
  readonly #logins: Logins;
  constructor(db: Db, keys: Keys, logins: Logins) {
    this.#db = db;
    this.#keys = keys;
    this.#logins = logins;
  }

  async list(userId: string): Promise<AccessToken[]> {
    const rows = await this.#db
      .selectFrom('user_tokens')
      .selectAll()
      .where('user_id', '=', userId)
      .where('kind', '=', 'access')
      .orderBy('created_ts')
      .execute();
    return rows.map((row) => ({
      id: row.id,
      name: row.name ?? '',
      created_ts: row.created_ts,
      ...(row.expires_ts === null ? {} : { expiration_date: row.expires_ts }),
      ...(row.last_used_ts === null ? {} : { last_used: row.last_used_ts }),
    }));
  }

  /** The new token itself; `seconds` 0: it does not expire. 409 for a taken name, 422 for one too many. */
  async create(
    userId: string,
    { name, seconds, whence }: { name: string; seconds: number; whence: Whence },
  ): Promise<string> {
    const id = randomUUID();
    await this.#db.transaction().execute(async (tx) => {
      const mine = await tx
        .selectFrom('user_tokens')
        .select('name')
        .where('user_id', '=', userId)
        .where('kind', '=', 'access')
        .execute();
      if (mine.some((token) => token.name === name)) throw conflict(`there is an access token "${name}" already`);
      if (mine.length >= tokensPerUser)
        throw unprocessable(`no more than ${tokensPerUser} access tokens: remove one first`);
      await tx
        .insertInto('user_tokens')
        .values({
          id,
          user_id: userId,
          kind: 'access',
          name,
          created_ts: now(),
          last_used_ts: null,
          expires_ts: seconds === 0 ? null : new Date(Date.now() + seconds * 1000).toISOString(),
          address: whence.address,
          user_agent: whence.userAgent?.slice(0, 512) ?? null,
        })
        .execute();
    });
    return this.#keys.sign(
      { jti: id, sub: userId, iss: 'mender.useradm', scp: 'mender.*', 'mender.user': true },
      seconds === 0 ? undefined : seconds,
    );
  }

  async remove(userId: string, id: string): Promise<void> {
    const row = await this.#db
      .selectFrom('user_tokens')
      .select('id')
      .where('id', '=', id)
      .where('user_id', '=', userId)
      .where('kind', '=', 'access')
      .executeTakeFirst();
    if (!row) throw notFound('access token not found');
    await this.#logins.end(userId, id);
  }
}
