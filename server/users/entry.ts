import { HttpError, unauthorized } from '../errors.ts';
import type { Db } from '../store/store.ts';
import type { Logins, Whence } from './logins.ts';
import { checkPassword } from './password.ts';
import type { SecondFactors } from './second-factor.ts';
import { Throttle } from './throttle.ts';

export interface Credentials {
  readonly email: string;
  readonly password: string;
  /** Of the second factor, or a recovery code. */
  readonly code: string | undefined;
}

/** How one gets in: password, then second factor, each of which may be tried so often and no more. */
export class Entry {
  readonly #db: Db;
  readonly #logins: Logins;
  readonly #factors: SecondFactors;
  readonly #throttle = new Throttle({ failures: 10, windowMs: 60_000 });
  constructor(db: Db, logins: Logins, factors: SecondFactors) {
    this.#db = db;
    this.#logins = logins;
    this.#factors = factors;
  }

  /**
   * A token for right credentials; 401 else, with `second_factor` in its body where the password was right, and 429 after
   * too many wrong passwords from one place for one name, or wrong codes of one user.
   */
  async login(
    { email, password, code }: Credentials,
    whence: Whence,
    expires: boolean,
  ): Promise<{ token: string; id: string; email: string }> {
    const name = email.toLowerCase();
    const place = `${whence.address} ${name}`;
    const wait = this.#throttle.wait(place);
    if (wait > 0)
      throw new HttpError('too_many_requests', `too many wrong passwords: try again in ${wait} s`, {
        headers: { 'Retry-After': String(wait) },
      });
    const row = await this.#db
      .selectFrom('users')
      .select(['id', 'email', 'password'])
      .where('email', '=', name)
      .executeTakeFirst();
    // The hash is computed for unknown names too: the time tells nothing.
    if (!(await checkPassword(password, row?.password)) || !row) {
      this.#throttle.failed(place);
      throw unauthorized('unauthorized: wrong user or password');
    }
    if ((await this.#factors.state(row.id)) === 'on') {
      if (!code) throw wants('wanted', 'unauthorized: the code of your second factor (2fa) is wanted');
      if (!(await this.#factors.accepts(row.id, code)))
        throw wants('wrong', 'unauthorized: that code of the second factor (2fa) is wrong or was used already');
    }
    this.#throttle.passed(place);
    return { token: await this.#logins.open(row.id, whence, expires), id: row.id, email: row.email };
  }
}

const wants = (word: 'wanted' | 'wrong', message: string): HttpError =>
  new HttpError('unauthorized', message, {
    headers: { 'WWW-Authenticate': 'Bearer realm="ManagementJWT"' },
    extra: { second_factor: word },
  });
