import { randomUUID } from 'node:crypto';
import type { Login } from '#proto/http/users';
import { notFound } from '../errors.ts';
import type { Caller } from '../http/route.ts';
import { now, type Db } from '../store/store.ts';
import { TokenCache } from '../tokens/cache.ts';
import type { Keys } from '../tokens/keys.ts';
import { clientOf } from './client.ts';
import type { Policies } from './policy.ts';
import type { Roles } from './role-store.ts';

export type UserCaller = Extract<Caller, { kind: 'user' }>;

/** Seconds that a login lasts (`server-api.md` §5). */
const sessionLifetime = 604_800;
const sessionsPerUser = 10;
/** How long a token that was looked up is not looked up again, ms: that is how exact `last_used` is. */
const cached = 300_000;

export interface Whence {
  readonly address: string;
  readonly userAgent: string | undefined;
}

/** Logins and access tokens of users: which are good, whose they are, and their end. */
export class Logins {
  readonly #db: Db;
  readonly #keys: Keys;
  readonly #roles: Roles;
  readonly #policies: Policies;
  readonly #cache = new TokenCache<UserCaller>(10_000);
  readonly #ended: (userId: string, tokenIds: readonly string[]) => void;
  /** `ended`: these are void from now on, and so is what stands on them. */
  constructor(
    { db, keys, roles, policies }: { db: Db; keys: Keys; roles: Roles; policies: Policies },
    ended: (userId: string, tokenIds: readonly string[]) => void,
  ) {
    this.#db = db;
    this.#keys = keys;
    this.#roles = roles;
    this.#policies = policies;
    this.#ended = ended;
  }

  /** A new login; the oldest one above the limit ends with it. */
  async open(userId: string, { address, userAgent }: Whence, expires: boolean): Promise<string> {
    const id = randomUUID();
    const ts = now();
    const old = await this.#db.transaction().execute(async (tx) => {
      await tx
        .insertInto('user_tokens')
        .values({
          id,
          user_id: userId,
          kind: 'session',
          name: null,
          created_ts: ts,
          last_used_ts: null,
          expires_ts: expires ? new Date(Date.now() + sessionLifetime * 1000).toISOString() : null,
          address,
          user_agent: userAgent?.slice(0, 512) ?? null,
        })
        .execute();
      await tx.updateTable('users').set({ login_ts: ts }).where('id', '=', userId).execute();
      const rows = await tx
        .selectFrom('user_tokens')
        .select('id')
        .where('user_id', '=', userId)
        .where('kind', '=', 'session')
        // Not the new one itself, whatever else was made in the same millisecond.
        .where('id', '!=', id)
        .orderBy('created_ts', 'desc')
        .orderBy('id')
        .offset(sessionsPerUser - 1)
        .limit(1000)
        .execute();
      return rows.map((row) => row.id);
    });
    await this.#remove(userId, old);
    const claims = { jti: id, sub: userId, iss: 'mender.useradm', scp: 'mender.*', 'mender.user': true };
    return this.#keys.sign(claims, expires ? sessionLifetime : undefined);
  }

  /** The user of a token that is signed, stored and not expired, with what he may do now. */
  async verify(token: string): Promise<UserCaller | undefined> {
    const known = this.#cache.get(token);
    if (known) return known;
    const claims = await this.#keys.verify(token);
    if (claims?.['mender.user'] !== true || typeof claims.sub !== 'string' || typeof claims.jti !== 'string')
      return undefined;
    const found = await this.#find(claims.jti, claims.sub);
    if (!found) return undefined;
    await this.#db.updateTable('user_tokens').set({ last_used_ts: now() }).where('id', '=', claims.jti).execute();
    this.#cache.set(token, found.caller.id, found.caller, Math.min(found.end, Date.now() + cached));
    return found.caller;
  }

  /** Who has a token of this id, if it is still good. */
  async ofToken(tokenId: string, userId: string): Promise<UserCaller | undefined> {
    return (await this.#find(tokenId, userId))?.caller;
  }

  async #find(tokenId: string, userId: string): Promise<{ caller: UserCaller; end: number } | undefined> {
    const row = await this.#db
      .selectFrom('user_tokens')
      .innerJoin('users', 'users.id', 'user_tokens.user_id')
      .leftJoin('second_factors', 'second_factors.user_id', 'users.id')
      .select(['users.email', 'users.roles', 'user_tokens.expires_ts', 'user_tokens.kind', 'second_factors.enabled_ts'])
      .where('user_tokens.id', '=', tokenId)
      .where('users.id', '=', userId)
      .executeTakeFirst();
    if (!row) return undefined;
    const end = row.expires_ts === null ? Number.MAX_SAFE_INTEGER : Date.parse(row.expires_ts);
    if (end <= Date.now()) return undefined;
    // An access token is a program's: it was made by somebody who had what was wanted of him.
    const enrolled = row.kind === 'access' || row.enabled_ts !== null;
    const mustEnrol = !enrolled && (await this.#policies.secondFactorRequired());
    const permissions = await this.#roles.rightsOf(mustEnrol ? [] : (JSON.parse(row.roles) as string[]));
    return { caller: { kind: 'user', id: userId, email: row.email, tokenId, permissions, mustEnrol }, end };
  }

  async list(userId: string, current: string | undefined): Promise<Login[]> {
    const rows = await this.#db
      .selectFrom('user_tokens')
      .selectAll()
      .where('user_id', '=', userId)
      .where((e) => e.or([e('expires_ts', 'is', null), e('expires_ts', '>', now())]))
      .orderBy('created_ts', 'desc')
      .execute();
    return rows.map((row) => ({
      id: row.id,
      kind: row.kind as Login['kind'],
      ...(row.name === null ? {} : { name: row.name }),
      created_ts: row.created_ts,
      ...(row.last_used_ts === null ? {} : { last_used_ts: row.last_used_ts }),
      ...(row.expires_ts === null ? {} : { expires_ts: row.expires_ts }),
      ...(row.address === null ? {} : { address: row.address }),
      ...(row.user_agent === null ? {} : { user_agent: row.user_agent }),
      client: clientOf(row.user_agent ?? undefined),
      current: row.id === current,
    }));
  }

  /** 404 for one that is not his. */
  async end(userId: string, tokenId: string): Promise<void> {
    if ((await this.#remove(userId, [tokenId])) === 0) throw notFound('login not found');
  }

  /** All but one; of `session` the access tokens stay. */
  async endOthers(userId: string, keep: string | undefined, which: 'all' | 'session' = 'all'): Promise<void> {
    let query = this.#db.selectFrom('user_tokens').select('id').where('user_id', '=', userId);
    if (which === 'session') query = query.where('kind', '=', 'session');
    const rows = await query.execute();
    await this.#remove(
      userId,
      rows.map(({ id }) => id).filter((id) => id !== keep),
    );
  }

  async #remove(userId: string, tokenIds: readonly string[]): Promise<number> {
    if (tokenIds.length === 0) return 0;
    const { numDeletedRows } = await this.#db
      .deleteFrom('user_tokens')
      .where('user_id', '=', userId)
      .where('id', 'in', tokenIds)
      .executeTakeFirst();
    this.#cache.forget(userId);
    if (numDeletedRows > 0n) this.#ended(userId, tokenIds);
    return Number(numDeletedRows);
  }

  /** He or his rights have changed: his tokens are looked up again. */
  forget(userId: string): void {
    this.#cache.forget(userId);
  }

  /** What is decided for all has changed. */
  forgetAll(): void {
    this.#cache.clear();
  }
}
