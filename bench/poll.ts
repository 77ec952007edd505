// How many polls with nothing to do one server process answers on SQLite with 10 000 devices; beside it a bare node:http
// that answers 204. Both from a load generator in a process of its own, in turns.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError } from '#base/errors';
import { median, type Bench, type Row } from './row.ts';
import { startSaying } from './load/saying.ts';
import { seedDevices } from './load/seed.ts';

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
    await writeFile(tokens, JSON.stringify(await seedDevices(folder, devices, database)));
    const options = ['--data', folder, '--listen', '127.0.0.1:0', '--device-rate', '0'];
    const server = await startSaying(children, [
      'bin/patchbay.js',
      'server',
      ...options,
      ...(database ? ['--database', database] : []),
    ]);
    const bare = await startSaying(children, ['-e', bareServer]);
    // Warms code, and the cache of tokens: until each was verified once it is that which is measured.
    for (let warm = 0; warm < 3; warm++) await load(server, tokens);
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
