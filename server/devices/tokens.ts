import type { Caller } from '../http/route.ts';
import { mergeScope } from '../inventory/attributes.ts';
import { now, type Db } from '../store/store.ts';
import { TokenCache } from '../tokens/cache.ts';
import type { Keys } from '../tokens/keys.ts';

type DeviceCaller = Extract<Caller, { kind: 'device' }>;

/** Seconds that a device's token lasts (`server-api.md` §1.1). */
const lifetime = 604_800;
const checkInEveryMs = 24 * 3600_000;

/** Tokens of devices: a verified one costs neither a signature nor a query until its cache entry ends. */
export class DeviceTokens {
  readonly #db: Db;
  readonly #keys: Keys;
  readonly #cache = new TokenCache<DeviceCaller>(200_000);
  constructor(db: Db, keys: Keys) {
    this.#db = db;
    this.#keys = keys;
  }

  /** The bare JWT for an accepted authentication set, with the claims that Mender's programs look for. */
  issue(deviceId: string, authSetId: string): Promise<string> {
    const addons = ['configure', 'troubleshoot', 'monitor'].map((name) => ({ name, enabled: true }));
    return this.#keys.sign(
      {
        jti: authSetId,
        sub: deviceId,
        iss: 'Mender',
        'mender.device': true,
        'mender.plan': 'enterprise',
        'mender.trial': false,
        'mender.addons': addons,
      },
      lifetime,
    );
  }

  /** The device of a token that was verified lately and has not become void since. */
  known(token: string): DeviceCaller | undefined {
    return this.#cache.get(token);
  }

  /** The device of a token that is signed, not void, and whose authentication set is accepted. */
  async verify(token: string): Promise<DeviceCaller | undefined> {
    const known = this.#cache.get(token);
    if (known) return known;
    const claims = await this.#keys.verify(token);
    if (claims?.['mender.device'] !== true || typeof claims.sub !== 'string' || typeof claims.jti !== 'string')
      return undefined;
    const row = await this.#db
      .selectFrom('auth_sets')
      .innerJoin('devices', 'devices.id', 'auth_sets.device_id')
      .select(['auth_sets.token_from', 'devices.check_in_time'])
      .where('auth_sets.id', '=', claims.jti)
      .where('devices.id', '=', claims.sub)
      .where('auth_sets.status', '=', 'accepted')
      .where('devices.decommissioning', '=', 0)
      .executeTakeFirst();
    if (!row || row.token_from === null || (claims.iat ?? 0) < row.token_from) return undefined;
    const caller: DeviceCaller = { kind: 'device', id: claims.sub, authSetId: claims.jti };
    await this.#checkIn(caller.id, row.check_in_time);
    // At most a day, so that the next check-in is not missed.
    this.#cache.set(token, caller.id, caller, Math.min((claims.exp ?? 0) * 1000, Date.now() + checkInEveryMs));
    return caller;
  }

  /** The device's standing has changed: its tokens are looked up again. */
  forget(deviceId: string): void {
    this.#cache.forget(deviceId);
  }

  async #checkIn(deviceId: string, last: string | null): Promise<void> {
    if (last !== null && Date.now() - Date.parse(last) < checkInEveryMs) return;
    const ts = now();
    await this.#db.transaction().execute(async (tx) => {
      await tx.updateTable('devices').set({ check_in_time: ts }).where('id', '=', deviceId).execute();
      await mergeScope(tx, deviceId, 'system', [{ name: 'check_in_time', value: ts }], ts);
    });
  }
}
