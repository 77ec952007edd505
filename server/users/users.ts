import { randomUUID } from 'node:crypto';
import type { User } from '#proto/http/users';
import { HttpError, notFound, unauthorized, unprocessable } from '../errors.ts';
import type { Caller } from '../http/route.ts';
import { isDuplicate, now, type Db } from '../store/store.ts';
import { TokenCache } from '../tokens/cache.ts';
import type { Keys } from '../tokens/keys.ts';
import { checkPassword, hashPassword } from './password.ts';
import { permissionsOf, roles } from './roles.ts';
import { Throttle } from './throttle.ts';

type UserCaller = Extract<Caller, { kind: 'user' }>;
type Row = {
  id: string;
  email: string;
  roles: string;
  created_ts: string;
  updated_ts: string;
  login_ts: string | null;
};

/** Seconds that a login lasts (`server-api.md` §5). */
const sessionLifetime = 604_800;
const sessionsPerUser = 10;
const columns = ['id', 'email', 'roles', 'created_ts', 'updated_ts', 'login_ts'] as const;

/** People: who they are, how they prove it, what they may do. */
export class Users {
  readonly #db: Db;
  readonly #keys: Keys;
  readonly #cache = new TokenCache<UserCaller>(10_000);
  readonly #throttle = new Throttle({ failures: 10, windowMs: 60_000 });
  readonly #onRevoked: (userId: string, tokenId?: string) => void;
  /** `onRevoked` ends what stands on a right that is gone: live sessions of the user, or of one of his tokens. */
  constructor(db: Db, keys: Keys, onRevoked: (userId: string, tokenId?: string) => void = () => {}) {
    this.#db = db;
    this.#keys = keys;
    this.#onRevoked = onRevoked;
  }

  /** A token for right credentials; 401 else, 429 after too many wrong ones from one place for one name. */
  async login(
    email: string,
    password: string,
    options: { address: string; expires: boolean },
  ): Promise<{ token: string; user: User }> {
    const name = email.toLowerCase();
    const place = `${options.address} ${name}`;
    const wait = this.#throttle.wait(place);
    if (wait > 0)
      throw new HttpError('too_many_requests', `too many wrong passwords: try again in ${wait} s`, {
        headers: { 'Retry-After': String(wait) },
      });
    const row = await this.#db
      .selectFrom('users')
      .select([...columns, 'password'])
      .where('email', '=', name)
      .executeTakeFirst();
    // The hash is computed for unknown names too: the time tells nothing.
    if (!(await checkPassword(password, row?.password)) || !row) {
      this.#throttle.failed(place);
      throw unauthorized('unauthorized: wrong user or password');
    }
    this.#throttle.passed(place);
    const id = randomUUID();
    const ts = now();
    await this.#db.transaction().execute(async (tx) => {
      await tx
        .insertInto('user_tokens')
        .values({
          id,
          user_id: row.id,
          kind: 'session',
          name: null,
          created_ts: ts,
          last_used_ts: null,
          expires_ts: options.expires ? new Date(Date.now() + sessionLifetime * 1000).toISOString() : null,
        })
        .execute();
      const old = await tx
        .selectFrom('user_tokens')
        .select('id')
        .where('user_id', '=', row.id)
        .where('kind', '=', 'session')
        .orderBy('created_ts', 'desc')
        .orderBy('id')
        .offset(sessionsPerUser)
        .limit(1000)
        .execute();
      if (old.length > 0)
        await tx
          .deleteFrom('user_tokens')
          .where(
            'id',
            'in',
            old.map((token) => token.id),
          )
          .execute();
      await tx.updateTable('users').set({ login_ts: ts }).where('id', '=', row.id).execute();
    });
    this.#cache.forget(row.id);
    const claims = { jti: id, sub: row.id, iss: 'mender.useradm', scp: 'mender.*', 'mender.user': true };
    const token = await this.#keys.sign(claims, options.expires ? sessionLifetime : undefined);
    return { token, user: userOf({ ...row, login_ts: ts }) };
  }

  /** The user of a token that is signed, stored and not expired. */
  async verify(token: string): Promise<UserCaller | undefined> {
    const known = this.#cache.get(token);
    if (known) return known;
    const claims = await this.#keys.verify(token);
    if (claims?.['mender.user'] !== true || typeof claims.sub !== 'string' || typeof claims.jti !== 'string')
      return undefined;
    const row = await this.#db
      .selectFrom('user_tokens')
      .innerJoin('users', 'users.id', 'user_tokens.user_id')
      .select(['users.id', 'users.email', 'users.roles', 'user_tokens.expires_ts', 'user_tokens.kind'])
      .where('user_tokens.id', '=', claims.jti)
      .where('users.id', '=', claims.sub)
      .executeTakeFirst();
    if (!row) return undefined;
    const caller: UserCaller = {
      kind: 'user',
      id: row.id,
      email: row.email,
      tokenId: claims.jti,
      permissions: permissionsOf(rolesOf(row.roles)),
    };
    const end = row.expires_ts === null ? Number.MAX_SAFE_INTEGER : Date.parse(row.expires_ts);
    if (end <= Date.now()) return undefined;
    // The cache ends each five minutes: that is how exact `last_used` is.
    if (row.kind === 'access')
      await this.#db.updateTable('user_tokens').set({ last_used_ts: now() }).where('id', '=', claims.jti).execute();
    this.#cache.set(token, row.id, caller, Math.min(end, Date.now() + 300_000));
    return caller;
  }

  async logout(caller: UserCaller): Promise<void> {
    await this.#db.deleteFrom('user_tokens').where('id', '=', caller.tokenId).execute();
    this.#cache.forget(caller.id);
    this.#onRevoked(caller.id, caller.tokenId);
  }

  /** One of his tokens is gone: those that are cached are looked up again, and what stands on it ends. */
  tokenRevoked(userId: string, tokenId: string): void {
    this.#cache.forget(userId);
    this.#onRevoked(userId, tokenId);
  }

  async list(filter: { ids: readonly string[]; emails: readonly string[] }): Promise<User[]> {
    let query = this.#db.selectFrom('users').select(columns);
    if (filter.ids.length > 0) query = query.where('id', 'in', filter.ids);
    if (filter.emails.length > 0)
      query = query.where(
        'email',
        'in',
        filter.emails.map((email) => email.toLowerCase()),
      );
    return (await query.orderBy('email').execute()).map(userOf);
  }

  async get(id: string): Promise<User> {
    const row = await this.#db.selectFrom('users').select(columns).where('id', '=', id).executeTakeFirst();
    if (!row) throw notFound('user not found');
    return userOf(row);
  }

  /** The id of a new user; 422 for a bad address, a weak password, a taken name or an unknown role. */
  async create(input: { email: string; password: string; roles: readonly string[] }): Promise<string> {
    const email = checkEmail(input.email);
    checkStrength(email, input.password);
    checkRoles(input.roles);
    const id = randomUUID();
    const ts = now();
    const password = await hashPassword(input.password);
    try {
      await this.#db
        .insertInto('users')
        .values({
          id,
          email,
          password,
          roles: JSON.stringify(input.roles),
          created_ts: ts,
          updated_ts: ts,
          login_ts: null,
        })
        .execute();
    } catch (error) {
      if (isDuplicate(error)) throw unprocessable(`a user with the email ${email} already exists`);
      throw error;
    }
    return id;
  }

  /** Changes what is given; all other logins of the user end with a change of password or roles. */
  async update(
    id: string,
    change: { email?: string; password?: string; roles?: readonly string[] },
    keepToken?: string,
  ): Promise<void> {
    const row = await this.#db.selectFrom('users').select(columns).where('id', '=', id).executeTakeFirst();
    if (!row) throw notFound('user not found');
    const email = change.email === undefined ? row.email : checkEmail(change.email);
    if (change.password !== undefined) checkStrength(email, change.password);
    if (change.roles) {
      checkRoles(change.roles);
      if (rolesOf(row.roles).includes('admin') && !change.roles.includes('admin')) await this.#refuseLastAdmin(id);
    }
    const password = change.password === undefined ? undefined : await hashPassword(change.password);
    try {
      await this.#db.transaction().execute(async (tx) => {
        await tx
          .updateTable('users')
          .set({
            email,
            updated_ts: now(),
            ...(password === undefined ? {} : { password }),
            ...(change.roles ? { roles: JSON.stringify(change.roles) } : {}),
          })
          .where('id', '=', id)
          .execute();
        if (password !== undefined)
          await tx
            .deleteFrom('user_tokens')
            .where('user_id', '=', id)
            .where('id', '!=', keepToken ?? '')
            .execute();
      });
    } catch (error) {
      if (isDuplicate(error)) throw unprocessable(`a user with the email ${email} already exists`);
      throw error;
    }
    this.#cache.forget(id);
    if (password !== undefined || change.roles) this.#onRevoked(id);
  }

  /** 422 when the current password is not right (`server-api.md` §2.8). */
  async checkCurrentPassword(id: string, password: string | undefined): Promise<void> {
    const row = await this.#db.selectFrom('users').select('password').where('id', '=', id).executeTakeFirst();
    if (password === undefined || !(await checkPassword(password, row?.password)))
      throw unprocessable('current password is wrong or missing');
  }

  async remove(id: string): Promise<void> {
    await this.#refuseLastAdmin(id);
    await this.#db.deleteFrom('users').where('id', '=', id).execute();
    this.#cache.forget(id);
    this.#onRevoked(id);
  }

  async count(): Promise<number> {
    const { n } = await this.#db
      .selectFrom('users')
      .select((e) => e.fn.countAll<number | string>().as('n'))
      .executeTakeFirstOrThrow();
    return Number(n);
  }

  async #refuseLastAdmin(id: string): Promise<void> {
    const all = await this.#db.selectFrom('users').select(['id', 'roles']).execute();
    const admins = all.filter((user) => rolesOf(user.roles).includes('admin'));
    if (admins.length === 1 && admins[0]?.id === id)
      throw unprocessable('this is the last administrator: make another one first');
  }
}

function checkEmail(text: string): string {
  const email = text.toLowerCase();
  if (!/^[\x21-\x7e]+@[\x21-\x7e]+$/.test(email) || email.length > 256)
    throw unprocessable(`"${text.slice(0, 64)}" is no email address`);
  return email;
}

function checkStrength(email: string, password: string): void {
  if (password.length < 8) throw unprocessable('the password is too short: 8 characters or more');
  if (password.length > 256) throw unprocessable('the password is too long: 256 characters or less');
  if (password.toLowerCase() === email) throw unprocessable('the password must not be the email address');
}

function checkRoles(names: readonly string[]): void {
  const unknown = names.find((name) => !Object.hasOwn(roles, name));
  if (unknown !== undefined)
    throw unprocessable(`there is no role "${unknown}": take ${Object.keys(roles).join(', ')}`);
}

const rolesOf = (text: string): string[] => JSON.parse(text) as string[];
const userOf = (row: Row): User => ({
  id: row.id,
  email: row.email,
  created_ts: row.created_ts,
  updated_ts: row.updated_ts,
  ...(row.login_ts === null ? {} : { login_ts: row.login_ts }),
  roles: rolesOf(row.roles),
});
