import { createHash, randomUUID } from 'node:crypto';
import type { User } from '#proto/http/users';
import { conflict, notFound, unprocessable } from '../errors.ts';
import { isDuplicate, now, type Db } from '../store/store.ts';
import { checkPassword, hashPassword } from './password.ts';
import { Roles } from './role-store.ts';

type Row = {
  id: string;
  email: string;
  roles: string;
  created_ts: string;
  updated_ts: string;
  login_ts: string | null;
  enabled_ts: string | null;
};

const columns = ['users.id', 'email', 'roles', 'created_ts', 'updated_ts', 'login_ts'] as const;

/** Inclusive; as the database spells it. */
interface Span {
  readonly after: string | undefined;
  readonly before: string | undefined;
}

export interface UserFilter {
  readonly ids: readonly string[];
  readonly emails: readonly string[];
  readonly created?: Span;
  readonly updated?: Span;
}

/** Name of a user as he is now: his next change gives him another one. */
export const versionOf = ({ id, email, roles, updated_ts }: User): string =>
  `"${createHash('sha256')
    .update(JSON.stringify([id, email, roles, updated_ts]))
    .digest('base64url')
    .slice(0, 22)}"`;

/** What a change of a user does to what stands on him. */
export interface UserEvents {
  /** His rights are others, or he is gone. */
  rightsChanged(userId: string): Promise<void>;
  /** His password is another: logins but this one are to end. */
  passwordChanged(userId: string, keepToken: string | undefined): Promise<void>;
}

const nothingStands: UserEvents = { async rightsChanged() {}, async passwordChanged() {} };

/** People: who they are, and which roles they have. */
export class Users {
  readonly #db: Db;
  readonly #roles: Roles;
  readonly #events: UserEvents;
  constructor(db: Db, events: UserEvents = nothingStands) {
    this.#db = db;
    this.#roles = new Roles(db);
    this.#events = events;
  }

  async list(filter: UserFilter): Promise<User[]> {
    let query = this.#people();
    if (filter.ids.length > 0) query = query.where('users.id', 'in', filter.ids);
    if (filter.emails.length > 0)
      query = query.where(
        'email',
        'in',
        filter.emails.map((email) => email.toLowerCase()),
      );
    for (const [column, span] of [
      ['created_ts', filter.created],
      ['updated_ts', filter.updated],
    ] as const) {
      if (span?.after !== undefined) query = query.where(column, '>=', span.after);
      if (span?.before !== undefined) query = query.where(column, '<=', span.before);
    }
    return (await query.orderBy('email').execute()).map(userOf);
  }

  async get(id: string): Promise<User> {
    const row = await this.#people().where('users.id', '=', id).executeTakeFirst();
    if (!row) throw notFound('user not found');
    return userOf(row);
  }

  #people() {
    return this.#db
      .selectFrom('users')
      .leftJoin('second_factors', 'second_factors.user_id', 'users.id')
      .select([...columns, 'second_factors.enabled_ts']);
  }

  /** The id of a new user; 422 for a bad address, a weak password, a taken name or an unknown role. */
  async create(input: { email: string; password: string; roles: readonly string[] }): Promise<string> {
    const email = checkEmail(input.email);
    checkStrength(email, input.password);
    await this.#roles.check(input.roles);
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

  /**
   * Changes what is given; a new password ends the user's other logins and access tokens. 409 if `ifMatch` names another
   * version of him than there is.
   */
  async update(
    id: string,
    change: { email?: string; password?: string; roles?: readonly string[] },
    { keepToken, ifMatch }: { keepToken?: string | undefined; ifMatch?: string | undefined } = {},
  ): Promise<void> {
    const row = await this.get(id);
    if (ifMatch !== undefined && ifMatch !== versionOf(row)) throw changedMeanwhile();
    const email = change.email === undefined ? row.email : checkEmail(change.email);
    if (change.password !== undefined) checkStrength(email, change.password);
    if (change.roles) {
      await this.#roles.check(change.roles);
      if (row.roles.includes('admin') && !change.roles.includes('admin')) await this.#refuseLastAdmin(id);
    }
    const password = change.password === undefined ? undefined : await hashPassword(change.password);
    try {
      let query = this.#db
        .updateTable('users')
        .set({
          email,
          updated_ts: now(),
          ...(password === undefined ? {} : { password }),
          ...(change.roles ? { roles: JSON.stringify(change.roles) } : {}),
        })
        .where('id', '=', id);
      // Hashing a password takes its time: others may have come since.
      if (ifMatch !== undefined) query = query.where('updated_ts', '=', row.updated_ts);
      if ((await query.executeTakeFirst()).numUpdatedRows === 0n) throw changedMeanwhile();
    } catch (error) {
      if (isDuplicate(error)) throw unprocessable(`a user with the email ${email} already exists`);
      throw error;
    }
    if (password !== undefined) await this.#events.passwordChanged(id, keepToken);
    await this.#events.rightsChanged(id);
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
    await this.#events.rightsChanged(id);
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

const changedMeanwhile = () => conflict('the user was changed by somebody else: read him again');

const rolesOf = (text: string): string[] => JSON.parse(text) as string[];
const userOf = (row: Row): User => ({
  id: row.id,
  email: row.email,
  created_ts: row.created_ts,
  updated_ts: row.updated_ts,
  ...(row.login_ts === null ? {} : { login_ts: row.login_ts }),
  roles: rolesOf(row.roles),
  second_factor: row.enabled_ts !== null,
});
