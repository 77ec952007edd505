// What an idle connected device costs one server process in memory; beside it a bare `ws` server that holds as many
// sockets. The devices are sockets of other processes, from addresses of their own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startSaying } from './load/saying.ts';
import { seedDevices } from './load/seed.ts';
import { median, type Bench } from './row.ts';

const devices = 15_000; // a process may open 20 000 descriptors here
const processes = 3;
const target = 1.5; // design §8
const path = '/api/devices/v1/deviceconnect/connect';

export const run: Bench = async ({ json, count = 5 }) => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  try {
    const file = join(folder, 'tokens.json');
    await writeFile(file, JSON.stringify(await seedDevices(folder, devices)));
    const server = ['bin/patchbay.js', 'server', '--data', folder, '--listen', '127.0.0.1:0'];
    const ours: number[] = [];
    const other: number[] = [];
    for (let round = 0; round < count; round++) {
      ours.push(await held(server, file));
      other.push(await held(['-e', bareServer], file));
      if (!json) console.error(`round ${round + 1}: ${ours.at(-1)?.toFixed(2)} and ${other.at(-1)?.toFixed(2)} KiB`);
    }
    const [mine, theirs] = [median(ours), median(other)];
    return [
      {
        bench: 'fleet',
        case: `an idle device of ${devices}, private dirty memory`,
        unit: 'KiB',
        ours: mine,
        against: 'bare ws server',
        other: theirs,
        ratio: mine / theirs,
        target: `≤ ${target}`,
        met: mine / theirs <= target,
      },
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const bareServer = `
  const { WebSocketServer } = require('ws');
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false }, () =>
    console.error(JSON.stringify({ url: 'http://127.0.0.1:' + server.address().port })));
  server.on('connection', (socket) => socket.on('error', () => {}));
`;

/** KiB a socket by which a fresh server grows while it holds all of them. */
async function held(args: string[], tokens: string): Promise<number> {
  const children: ChildProcess[] = [];
  try {
    const url = await startSaying(children, args);
    const pid = children[0]?.pid ?? 0;
    const before = await settled(pid);
    const each = Math.ceil(devices / processes);
    const holding = Array.from({ length: processes }, (_, i) => {
      const range = [i * each, Math.min(devices, (i + 1) * each)].map(String);
      const script = join(import.meta.dirname, 'load', 'sockets.ts');
      const holder = spawn(process.execPath, [script, url + path, tokens, `127.0.1.${i + 1}`, ...range], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(holder);
      return Promise.race([
        once(holder.stdout, 'data'),
        once(holder, 'exit').then(() => Promise.reject(new Error('the sockets could not be opened'))),
      ]);
    });
    await Promise.all(holding);
    return ((await settled(pid)) - before) / devices;
  } finally {
    for (const child of children.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    }
  }
}

/** KiB of private dirty memory once it has come to rest: the collector gives back what setting up has cost. */
async function settled(pid: number): Promise<number> {
  let last = Infinity;
  for (let calm = 0, left = 30; calm < 4 && left > 0; left--) {
    await pause(2000);
    const now = await dirty(pid);
    calm = Math.abs(now - last) < last * 0.01 ? calm + 1 : 0;
    last = now;
  }
  return last;
}

async function dirty(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/Private_Dirty:\s+(\d+)/.exec(rollup)?.[1]);
}
