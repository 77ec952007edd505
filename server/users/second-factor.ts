import { createHash, randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import { codeOf } from '#base/errors';
import { conflict, HttpError, unprocessable } from '../errors.ts';
import { Seal } from '../store/seal.ts';
import { now, type Db } from '../store/store.ts';
import { Throttle } from './throttle.ts';

/** Seconds that a code lasts, and how many before and after count too: clocks of telephones are seldom exact. */
const period = 30;
const window = 1;
const recoveryCodeCount = 10;

export type FactorState = 'off' | 'enrolling' | 'on';

/**
 * The second factor: codes by time (RFC 6238), each taken once and never after a later one, and recovery codes for whoever
 * has lost his telephone. Wrong codes are counted by user, wherever they come from. Their keys are sealed in the database.
 */
export class SecondFactors {
  readonly #db: Db;
  readonly #seal: Seal;
  readonly #throttle = new Throttle({ failures: 5, windowMs: 5 * 60_000 });
  constructor(db: Db, seal: Seal) {
    this.#db = db;
    this.#seal = seal;
  }

  async state(userId: string): Promise<FactorState> {
    const row = await this.#row(userId);
    return row ? (row.enabled_ts === null ? 'enrolling' : 'on') : 'off';
  }

  async recoveryCodesLeft(userId: string): Promise<number> {
    return (await this.#db.selectFrom('recovery_codes').select('hash').where('user_id', '=', userId).execute()).length;
  }

  /** The key to be shown to the user, made if there is none yet. 409 once it is on: it is never shown again. */
  async enrolment(userId: string, email: string): Promise<{ secret: string; uri: string }> {
    const sealed = await this.#seal.close(new Secret({ size: 20 }).base32, ownerOf(userId));
    await this.#db
      .insertInto('second_factors')
      .values({ user_id: userId, secret: sealed, enabled_ts: null, last_step: 0 })
      .onConflict((c) => c.doNothing())
      .execute();
    const row = await this.#row(userId);
    if (!row || row.enabled_ts !== null) throw conflict('the second factor is on already: switch it off first');
    const secret = await this.#open(userId, row.secret).catch(async (error: unknown) => {
      if (codeOf(error) !== 'unavailable') throw error;
      // Nobody has used that one: the new one does as well.
      await this.#db.updateTable('second_factors').set({ secret: sealed }).where('user_id', '=', userId).execute();
      return this.#open(userId, sealed);
    });
    return { secret, uri: totp(secret, email).toString() };
  }

  /** Switches it on with a code of the new key; gives back the recovery codes, which nobody sees again. */
  async confirm(userId: string, code: string): Promise<string[]> {
    const row = await this.#row(userId);
    if (!row) throw unprocessable('no second factor is being set up: ask for its key first');
    if (row.enabled_ts !== null) throw conflict('the second factor is on already');
    this.#checkThrottle(userId);
    if (!(await this.#take(userId, await this.#open(userId, row.secret), code))) {
      this.#throttle.failed(userId);
      throw unprocessable('that is not the code that the new key gives now: is the clock of your device right?');
    }
    this.#throttle.passed(userId);
    await this.#db.updateTable('second_factors').set({ enabled_ts: now() }).where('user_id', '=', userId).execute();
    return this.renewRecoveryCodes(userId);
  }

  /** Whether a code, or a recovery code, is good just now; it is used up by this. 429 after too many that were not. */
  async accepts(userId: string, code: string): Promise<boolean> {
    const row = await this.#row(userId);
    if (!row || row.enabled_ts === null) return false;
    this.#checkThrottle(userId);
    const good = /^\d{6}$/.test(code.trim())
      ? await this.#take(userId, await this.#open(userId, row.secret), code)
      : await this.#takeRecovery(userId, code);
    if (good) this.#throttle.passed(userId);
    else this.#throttle.failed(userId);
    return good;
  }

  /** Seals what an older version left as it was. How many there were. */
  async sealAll(): Promise<number> {
    const rows = await this.#db.selectFrom('second_factors').select(['user_id', 'secret']).execute();
    const plain = rows.filter(({ secret }) => !Seal.isSealed(secret));
    for (const { user_id: userId, secret } of plain)
      await this.#db
        .updateTable('second_factors')
        .set({ secret: await this.#seal.close(secret, ownerOf(userId)) })
        .where('user_id', '=', userId)
        .where('secret', '=', secret)
        .execute();
    return plain.length;
  }

  /** The key itself, in base32. 503 if what it is sealed with is not at hand: an administrator can help. */
  async #open(userId: string, secret: string): Promise<string> {
    if (!Seal.isSealed(secret)) return secret;
    try {
      return await this.#seal.open(secret, ownerOf(userId));
    } catch (cause) {
      if (codeOf(cause) !== 'seal_broken') throw cause;
      throw new HttpError(
        'unavailable',
        'your second factor cannot be checked, since the key file of this server is missing or another one: use a recovery code, or ask an administrator to put the file back or to reset your second factor',
        { cause },
      );
    }
  }

  /** Ten new recovery codes in place of those that are left. */
  async renewRecoveryCodes(userId: string): Promise<string[]> {
    const codes = Array.from({ length: recoveryCodeCount }, newRecoveryCode);
    await this.#db.transaction().execute(async (tx) => {
      await tx.deleteFrom('recovery_codes').where('user_id', '=', userId).execute();
      await tx
        .insertInto('recovery_codes')
        .values(codes.map((code) => ({ user_id: userId, hash: hashOf(code) })))
        .execute();
    });
    return codes;
  }

  async switchOff(userId: string): Promise<void> {
    await this.#db.transaction().execute(async (tx) => {
      await tx.deleteFrom('recovery_codes').where('user_id', '=', userId).execute();
      await tx.deleteFrom('second_factors').where('user_id', '=', userId).execute();
    });
  }

  /** In one statement, so that of two who show the same code at once one is refused. */
  async #take(userId: string, secret: string, code: string): Promise<boolean> {
    const at = Date.now();
    const delta = totp(secret, '').validate({ token: code.trim(), window, timestamp: at });
    if (delta === null) return false;
    const step = Math.floor(at / 1000 / period) + delta;
    const { numUpdatedRows } = await this.#db
      .updateTable('second_factors')
      .set({ last_step: step })
      .where('user_id', '=', userId)
      .where('last_step', '<', step)
      .executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  async #takeRecovery(userId: string, code: string): Promise<boolean> {
    const { numDeletedRows } = await this.#db
      .deleteFrom('recovery_codes')
      .where('user_id', '=', userId)
      .where('hash', '=', hashOf(code))
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  #checkThrottle(userId: string): void {
    const wait = this.#throttle.wait(userId);
    if (wait > 0)
      throw new HttpError('too_many_requests', `too many wrong codes: try again in ${wait} s`, {
        headers: { 'Retry-After': String(wait) },
      });
  }

  #row(userId: string) {
    return this.#db.selectFrom('second_factors').selectAll().where('user_id', '=', userId).executeTakeFirst();
  }
}

/** Of a sealed key. */
const ownerOf = (userId: string): string => `second factor of ${userId}`;

const totp = (secret: string, label: string): TOTP =>
  new TOTP({ issuer: 'Patchbay', label, algorithm: 'SHA1', digits: 6, period, secret });

// No letter that is mistaken for another when it is read from paper.
const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';

/** `k7mqe-3wzta-…`: 15 of 31 characters are 74 bits, which nobody guesses: a plain hash keeps them. */
function newRecoveryCode(): string {
  let code = '';
  // Bytes from 248 on would make the first letters likelier.
  while (code.length < 15)
    for (const byte of randomBytes(32)) if (byte < 248 && code.length < 15) code += alphabet[byte % 31];
  return code.replaceAll(/(.{5})(?=.)/g, '$1-');
}

const hashOf = (code: string): string =>
  createHash('sha256')
    .update(code.toLowerCase().replaceAll(/[^a-z0-9]/g, ''))
    .digest('base64url');
