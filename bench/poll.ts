// How many polls with nothing to do one server process answers on SQLite with 10 000 devices; beside it a bare node:http
// that answers 204. Both from a load generator in a process of its own, in turns.
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '#base/errors';
import { DeviceTokens } from '../server/devices/tokens.ts';
import { openStore } from '../server/store/store.ts';
import { loadKeys } from '../server/tokens/keys.ts';
import { median, type Bench, type Row } from './row.ts';
import { startSaying } from './load/saying.ts';

const devices = 10_000;
const rounds = 5;
const target = 0.5; // design §8
const path = '/api/devices/v1/deployments/device/deployments/next?artifact_name=release-1&device_type=qemux86-64';

export const run: Bench = async () => {
  const rows: Row[] = [await measure('SQLite', undefined)];
  try {
    const { cluster, freshDatabase } = await import('../test/stage/postgres.ts');
    await cluster(process.pid);
    rows.push(await measure('PostgreSQL', await freshDatabase('template0', process.pid)));
  } catch (error) {
    if (!(error instanceof CodedError) || error.code !== 'peer_missing') throw error;
    console.error(error.message);
  }
  return rows;
};

async function measure(name: string, database: string | undefined): Promise<Row> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  const children: ChildProcess[] = [];
  try {
    const tokens = join(folder, 'tokens.json');
    await writeFile(tokens, JSON.stringify(await seed(folder, database)));
    const options = ['--data', folder, '--listen', '127.0.0.1:0', '--device-rate', '0'];
    const server = await startSaying(children, [
      'bin/patchbay.js',
      'server',
      ...options,
      ...(database ? ['--database', database] : []),
    ]);
    const bare = await startSaying(children, ['-e', bareServer]);
    await load(server, tokens); // warms code and the token cache
    await load(bare, tokens);
    const ours: number[] = [];
    const other: number[] = [];
    for (let round = 0; round < rounds; round++) {
      ours.push(await load(server, tokens));
      other.push(await load(bare, tokens));
    }
    const [mine, theirs] = [median(ours), median(other)];
    return {
      bench: 'poll',
      case: `nothing to do, ${devices} devices, ${name}`,
      unit: 'requests/s',
      ours: mine,
      against: 'node:http, 204',
      other: theirs,
      ratio: mine / theirs,
      // Of PostgreSQL each poll is a question over a socket: it is measured, and has no target.
      target: database ? 'none' : `≥ ${target}`,
      met: database !== undefined || mine / theirs >= target,
    };
  } finally {
    for (const child of children) child.kill();
    await Promise.all(
      children.map(async (child) => {
        if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
      }),
    );
    await rm(folder, { recursive: true, force: true });
  }
}

/** Accepted devices straight into the database, one deployment that most of them have finished; their tokens. */
async function seed(folder: string, database: string | undefined): Promise<string[]> {
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

const bareServer = `
  require('node:http').createServer((_req, res) => { res.statusCode = 204; res.end(); })
    .listen(0, '127.0.0.1', function () { console.error(JSON.stringify({ url: 'http://127.0.0.1:' + this.address().port })); });
`;

/** Requests a second that a server answered. */
async function load(url: string, tokens: string): Promise<number> {
  const generator = spawn(process.execPath, [join(import.meta.dirname, 'load', 'poll.ts'), url + path, tokens], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  for await (const chunk of generator.stdout) said += String(chunk);
  const figure = Number(said);
  if (!(figure > 0)) throw new Error(`load on ${url} failed: ${said}`);
  return figure;
}
