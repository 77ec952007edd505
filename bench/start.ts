// How long `patchbay server` takes until it answers /health, on a warm machine; beside it a Node that does nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { median, type Bench } from './row.ts';

const rounds = 7;
const limit = 1000; // ms, design §8

export const run: Bench = async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  try {
    await server(folder); // the first start makes the database and warms the page cache
    const ours: number[] = [];
    const bare: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      ours.push(await server(folder));
      bare.push(await nothing());
    }
    const [mine, other] = [median(ours), median(bare)];
    return [
      {
        bench: 'start',
        case: 'server until /health',
        unit: 'ms',
        ours: mine,
        against: "node -e ''",
        other,
        ratio: mine / other,
        target: `≤ ${limit} ms`,
        met: mine <= limit,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

async function server(folder: string): Promise<number> {
  const port = await freePort();
  const start = performance.now();
  const launcher = join(import.meta.dirname, '..', 'bin', 'patchbay.js');
  const args = [launcher, 'server', '--data', folder, '--listen', `127.0.0.1:${port}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  for (let up = false; !up;) {
    if (child.exitCode !== null) throw new Error(`patchbay server ended with ${child.exitCode}`);
    up = await fetch(`http://127.0.0.1:${port}/health`).then(
      (answer) => answer.body?.cancel().then(() => answer.ok) ?? answer.ok,
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
