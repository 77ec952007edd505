import { createHash, randomUUID } from 'node:crypto';
import type { DeviceStatus } from '#proto/http/devices';
import { badRequest, conflict, notFound, unauthorized } from '../errors.ts';
import type { Scope } from '../http/rights.ts';
import { mergeScope, replaceScope, type Value } from '../inventory/attributes.ts';
import { groupsOf, isMember } from '../inventory/membership.ts';
import type { Live } from '../live/live.ts';
import { now, type Db, type Queries } from '../store/store.ts';
import { identityHash, parseDeviceKey, parseIdentity, signatureHolds, type Identity } from './identity.ts';
import { Register } from './register.ts';
import { mayMove, strongest } from './status.ts';

export interface AuthRequest {
  readonly id_data: string;
  readonly pubkey: string;
}

/** What the rest of the server does when a device's standing changes. */
export interface DeviceEvents {
  /** Its tokens are void from now on: cached ones must be forgotten, its socket closed. */
  revoked(deviceId: string): void;
  /** Its status is another one now; in the transaction that makes it so. */
  statusChanged?(trx: Queries, deviceId: string, status: DeviceStatus): Promise<void>;
  /** It goes for good (`server-api.md` §3.6): what else hangs on it is ended. May run again after a crash. */
  decommissioned(deviceId: string): Promise<void>;
}

/** Devices, by which keys they prove themselves, and which of them may come in. */
export class Devices {
  readonly #db: Db;
  readonly #live: Live;
  readonly #events: DeviceEvents;
  constructor(db: Db, live: Live, events: DeviceEvents) {
    this.#db = db;
    this.#live = live;
    this.#events = events;
  }

  /**
   * A device's authentication request (§1.1): key, then signature over the raw body, then identity. Returns the accepted
   * set, or throws 400 (malformed), 401 (bad signature; not accepted).
   */
  async authenticate(
    request: AuthRequest,
    raw: Uint8Array,
    signature: string | undefined,
  ): Promise<{ deviceId: string; authSetId: string }> {
    if (!signature) throw badRequest('missing request signature header');
    if (request.id_data === '' || request.pubkey === '')
      throw badRequest('invalid auth request: id_data and pubkey are wanted');
    const { key, pem } = parseDeviceKey(request.pubkey);
    if (!signatureHolds(key, raw, signature)) throw unauthorized('signature verification failed');
    const { identity, hash } = parseIdentity(request.id_data);
    const known = await this.#db
      .selectFrom('auth_sets')
      .select(['id', 'device_id', 'status'])
      .where('identity_hash', '=', hash)
      .where('pubkey', '=', pem)
      .executeTakeFirst();
    if (!known) await this.#admit(identity, hash, pem, 'pending');
    if (known?.status === 'preauthorized') await this.#move(known.device_id, known.id, 'accepted');
    else if (known?.status !== 'accepted') throw unauthorized('dev auth: unauthorized');
    // A token that is issued makes the set's tokens good again after they were taken away one by one.
    const issued = await this.#db
      .updateTable('auth_sets')
      .set({ token_from: Math.floor(Date.now() / 1000) })
      .where('id', '=', known.id)
      .where('token_from', 'is', null)
      .where('status', '=', 'accepted')
      .executeTakeFirst();
    if (issued.numUpdatedRows > 0n) this.#events.revoked(known.device_id);
    return { deviceId: known.device_id, authSetId: known.id };
  }

  /** Puts a device on the list before it ever came (§2.1). 409 with the device that is there already. */
  async preauthorize(identity: Identity, pubkey: string, force: boolean): Promise<string> {
    const { pem } = parseDeviceKey(pubkey);
    const hash = identityHash(identity);
    const known = await this.#db
      .selectFrom('devices')
      .select('id')
      .where('identity_hash', '=', hash)
      .executeTakeFirst();
    if (known && !force) throw conflict('device already exists', { ...(await new Register(this.#db).get(known.id)) });
    return this.#admit(identity, hash, pem, 'preauthorized');
  }

  /** Makes the device on first sight and adds the set. */
  async #admit(identity: Identity, hash: string, pem: string, status: 'pending' | 'preauthorized'): Promise<string> {
    const ts = now();
    const id = await this.#db.transaction().execute(async (tx) => {
      const known = await tx.selectFrom('devices').select('id').where('identity_hash', '=', hash).executeTakeFirst();
      const deviceId = known?.id ?? randomUUID();
      if (!known) {
        await tx
          .insertInto('devices')
          .values({
            id: deviceId,
            identity_hash: hash,
            identity: JSON.stringify(identity),
            status,
            decommissioning: 0,
            created_ts: ts,
            updated_ts: ts,
            check_in_time: null,
            inventory_hash: null,
          })
          .execute();
        await tx
          .insertInto('presence')
          .values({ device_id: deviceId, status: 'disconnected', connection: null, created_ts: ts, updated_ts: ts })
          .onConflict((c) => c.doNothing())
          .execute();
        await replaceScope(tx, deviceId, 'identity', identityValues(identity, status), ts);
        await mergeScope(
          tx,
          deviceId,
          'system',
          [
            { name: 'created_ts', value: ts },
            { name: 'updated_ts', value: ts },
          ],
          ts,
        );
      }
      await tx
        .insertInto('auth_sets')
        .values({
          id: randomUUID(),
          device_id: deviceId,
          identity_hash: hash,
          pubkey: pem,
          status,
          ts,
          token_from: null,
        })
        .onConflict((c) => c.columns(['identity_hash', 'pubkey']).doUpdateSet({ status }))
        .execute();
      await this.#settle(tx, deviceId, ts);
      return deviceId;
    });
    await this.#tell(id);
    return id;
  }

  /** An operator's decision on one set. 404, or 400 for a step that there is not. */
  async setStatus(deviceId: string, authSetId: string, to: 'accepted' | 'rejected' | 'pending'): Promise<void> {
    const set = await this.#db
      .selectFrom('auth_sets')
      .select(['device_id', 'status'])
      .where('id', '=', authSetId)
      .executeTakeFirst();
    if (!set) throw notFound('authentication set not found');
    if (set.device_id !== deviceId) throw badRequest('the authentication set belongs to another device');
    if (set.status === to) return;
    if (!mayMove(set.status, to)) throw badRequest(`an authentication set cannot go from ${set.status} to ${to}`);
    await this.#move(deviceId, authSetId, to);
  }

  async #move(deviceId: string, authSetId: string, to: 'accepted' | 'rejected' | 'pending'): Promise<void> {
    const ts = now();
    await this.#db.transaction().execute(async (tx) => {
      if (to === 'accepted') {
        await tx
          .updateTable('auth_sets')
          .set({ status: 'rejected', token_from: null })
          .where('device_id', '=', deviceId)
          .where('status', '=', 'accepted')
          .where('id', '!=', authSetId)
          .execute();
      }
      await tx
        .updateTable('auth_sets')
        .set({ status: to, token_from: to === 'accepted' ? Math.floor(Date.now() / 1000) : null })
        .where('id', '=', authSetId)
        .execute();
      await this.#settle(tx, deviceId, ts);
    });
    this.#events.revoked(deviceId);
    await this.#tell(deviceId);
  }

  /** Recomputes a device's status from its sets. */
  async #settle(tx: Queries, deviceId: string, ts: string): Promise<void> {
    const sets = await tx.selectFrom('auth_sets').select('status').where('device_id', '=', deviceId).execute();
    const status = strongest(sets.map((set) => set.status));
    const before = await tx.selectFrom('devices').select('status').where('id', '=', deviceId).executeTakeFirst();
    await tx.updateTable('devices').set({ status, updated_ts: ts }).where('id', '=', deviceId).execute();
    await mergeScope(tx, deviceId, 'identity', [{ name: 'status', value: status }], ts);
    if (before?.status !== status) await this.#events.statusChanged?.(tx, deviceId, status);
  }

  /** Takes one set away; with its last set a preauthorised device goes too. */
  async dismiss(deviceId: string, authSetId: string): Promise<void> {
    const ts = now();
    const groups = await groupsOf(this.#db, deviceId);
    const gone = await this.#db.transaction().execute(async (tx) => {
      const set = await tx
        .selectFrom('auth_sets')
        .select('status')
        .where('id', '=', authSetId)
        .where('device_id', '=', deviceId)
        .executeTakeFirst();
      if (!set) throw notFound('authentication set not found');
      await tx.deleteFrom('auth_sets').where('id', '=', authSetId).execute();
      const left = await tx.selectFrom('auth_sets').select('id').where('device_id', '=', deviceId).executeTakeFirst();
      if (!left && set.status === 'preauthorized') {
        await this.#erase(tx, deviceId);
        return true;
      }
      await this.#settle(tx, deviceId, ts);
      return false;
    });
    this.#events.revoked(deviceId);
    if (gone) this.#live.tellOf(groups, 'device', { id: deviceId, status: 'gone' });
    else await this.#tell(deviceId);
  }

  /** Forgets a device and all that hangs on it (§3.6). It may come again, as a new one. */
  async decommission(deviceId: string): Promise<void> {
    const { numUpdatedRows } = await this.#db
      .updateTable('devices')
      .set({ decommissioning: 1 })
      .where('id', '=', deviceId)
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw notFound('device not found');
    await this.#finishDecommission(deviceId);
  }

  /** Ends what a crash interrupted: devices that are flagged and still there. */
  async resume(): Promise<void> {
    const rows = await this.#db.selectFrom('devices').select('id').where('decommissioning', '=', 1).execute();
    for (const { id } of rows) await this.#finishDecommission(id);
  }

  async #finishDecommission(deviceId: string): Promise<void> {
    const groups = await groupsOf(this.#db, deviceId);
    this.#events.revoked(deviceId);
    await this.#events.decommissioned(deviceId);
    await this.#db.transaction().execute((tx) => this.#erase(tx, deviceId));
    this.#live.tellOf(groups, 'device', { id: deviceId, status: 'gone' });
  }

  async #erase(tx: Queries, deviceId: string): Promise<void> {
    await tx.deleteFrom('attributes').where('device_id', '=', deviceId).execute();
    await tx.deleteFrom('presence').where('device_id', '=', deviceId).execute();
    await tx.deleteFrom('devices').where('id', '=', deviceId).execute();
  }

  /** Voids the tokens of one set; the device has to ask again. */
  async revokeToken(authSetId: string, scope: Scope): Promise<void> {
    const set = await this.#db
      .selectFrom('auth_sets')
      .select(['device_id', 'token_from'])
      .where('id', '=', authSetId)
      .executeTakeFirst();
    const reached = set && (scope === 'all' || (await isMember(this.#db, set.device_id, scope)));
    if (!set || !reached || set.token_from === null) throw notFound('token not found');
    await this.#db.updateTable('auth_sets').set({ token_from: null }).where('id', '=', authSetId).execute();
    this.#events.revoked(set.device_id);
  }

  async #tell(deviceId: string): Promise<void> {
    const row = await this.#db.selectFrom('devices').select('status').where('id', '=', deviceId).executeTakeFirst();
    this.#live.tell('device', { id: deviceId, status: (row?.status as DeviceStatus | undefined) ?? 'gone' });
  }
}

/** Identity as attributes: its keys but `status`, which is the server's (§3.7). */
function identityValues(identity: Identity, status: DeviceStatus): Value[] {
  const given = Object.entries(identity)
    .filter(([name]) => name !== 'status')
    .map(([name, value]): Value => ({
      name,
      value:
        typeof value === 'string' || typeof value === 'number'
          ? value
          : Array.isArray(value)
            ? value.map(String)
            : JSON.stringify(value),
    }));
  return [...given, { name: 'status', value: status }];
}

/** Short name of some content, for "the same as last time?". */
export const fingerprint = (content: string): string => createHash('sha256').update(content).digest('base64');
