import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { DeviceTokens } from '../../server/devices/tokens.ts';
import { openStore } from '../../server/store/store.ts';
import { loadKeys } from '../../server/tokens/keys.ts';

/** Accepted devices straight into the database, one deployment that most of them have finished; their tokens. */
export async function seedDevices(folder: string, devices: number, database?: string): Promise<string[]> {
  const db = await openStore(folder, database);
  const tokens = new DeviceTokens(db, await loadKeys(db));
  const { publicKey } = generateKeyPairSync('ed25519');
  const pubkey = publicKey.export({ type: 'spki', format: 'pem' });
  const time = new Date().toISOString();
  const all = Array.from({ length: devices }, () => ({ id: randomUUID(), set: randomUUID() }));
  const deployment = randomUUID();
  await db.transaction().execute(async (trx) => {
    await trx
      .insertInto('deployments')
      .values({
        id: deployment,
        name: 'before',
        artifact_name: 'release-1',
        artifacts: '[]',
        type: 'software',
        status: 'finished',
        active: 0,
        created: time,
        finished: time,
        force_installation: 0,
        max_devices: devices,
        device_count: devices,
        total_size: 0,
        groups: '[]',
        filter: null,
        configuration: null,
        secret_settings: null,
        constructor_hash: 'x',
      })
      .execute();
    for (const { id, set } of all) {
      const device = { id, identity_hash: id, identity: '{}', status: 'accepted', created_ts: time, updated_ts: time };
      await trx
        .insertInto('devices')
        .values({ ...device, decommissioning: 0, check_in_time: time, inventory_hash: null })
        .execute();
      await trx
        .insertInto('auth_sets')
        .values({ id: set, device_id: id, identity_hash: id, pubkey, status: 'accepted', ts: time, token_from: 0 })
        .execute();
      await trx
        .insertInto('device_deployments')
        .values({ deployment_id: deployment, device_id: id, status: 'success', active: 0, created: time, log: 0 })
        .execute();
    }
  });
  const issued = await Promise.all(all.map(({ id, set }) => tokens.issue(id, set)));
  await db.destroy();
  return issued;
}
