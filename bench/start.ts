// How long `patchbay server` takes until it answers /health, on a warm machine; beside it a Node that does nothing.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { median, type Bench } from './row.ts';

const execute = promisify(execFile);
const root = join(import.meta.dirname, '..');
const rounds = 7;
const limit = 1000; // ms, design §8

export const run: Bench = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  try {
    const launchers = {
      'built server until /health': await build(folder),
      'its sources': join(root, 'bin', 'patchbay.js'),
    };
    const times = new Map(Object.keys(launchers).map((name) => [name, [] as number[]]));
    const bare: number[] = [];
    // The first start makes the database and warms the page cache; it does not count.
    for (let round = -1; round < rounds; round += 1) {
      for (const [name, launcher] of Object.entries(launchers)) {
        const took = await server(launcher, join(folder, 'data'));
        if (round >= 0) times.get(name)?.push(took);
      }
      if (round >= 0) bare.push(await nothing());
    }
    const other = median(bare);
    return [...times].map(([name, each]) => {
      const ours = median(each);
      const figures = { unit: 'ms', ours, against: "node -e ''", other, ratio: ours / other };
      return { bench: 'start', case: name, ...figures, target: `≤ ${limit} ms`, met: ours <= limit };
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** The package as it ships, with the dependencies of this checkout. Answers its launcher. */
async function build(folder: string): Promise<string> {
  const out = join(folder, 'built');
  await execute(process.execPath, [join(root, 'tools', 'build.mjs'), '--no-web', '--out', out], { cwd: root });
  await symlink(join(root, 'node_modules'), join(out, 'node_modules'));
  return join(out, 'bin', 'patchbay.js');
}

async function server(launcher: string, data: string): Promise<number> {
  const port = await freePort();
  const start = performance.now();
  const args = [launcher, 'server', '--data', data, '--listen', `127.0.0.1:${port}`, '--log-level', 'error'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  for (let up = false; !up;) {
    if (child.exitCode !== null) throw new Error(`patchbay server ended with ${child.exitCode}`);
    up = await fetch(`http://127.0.0.1:${port}/health`).then(
      async (answer) => (await answer.text()) !== '' && answer.ok,
      () => false,
    );
    if (!up) await pause(2);
  }
  const took = performance.now() - start;
  child.kill();
  await ended;
  return took;
}

async function nothing(): Promise<number> {
  const start = performance.now();
  await once(spawn(process.execPath, ['-e', ''], { stdio: 'ignore' }), 'exit');
  return performance.now() - start;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
