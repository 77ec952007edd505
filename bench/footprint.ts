// What the programs of a device keep in memory while they are connected and have nothing to do: ours, built, as two
// processes and as one; Debian's Mender pair; a bare Node. One contestant at a time, so that none shares pages with another.
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { PeerMissing } from '../test/peers.ts';
import { startBus } from '../test/stage/bus.ts';
import { layDevice, startMender, startMenderConnect } from '../test/stage/mender.ts';
import { Operator } from '../test/stage/operator.ts';
import { startBuilt } from '../test/stage/patchbay.ts';
import { Program } from '../test/stage/program.ts';
import { startServer } from '../test/stage/server.ts';
import { median, type Bench, type Row } from './row.ts';

const execute = promisify(execFile);
const root = join(import.meta.dirname, '..');
/** After the device is connected, ms: what starting has left behind is collected by then, or stays. */
const settling = 20_000;

/** Of one process, KiB. */
interface Memory {
  readonly name: string;
  readonly privateDirty: number;
  readonly pss: number;
}

interface Stage {
  readonly operator: Operator;
  readonly serverUrl: string;
  readonly folder: string;
  /** Where the built programs are. */
  readonly built: string;
  /** A Node of the device's own: with the file of this bench it would share the pages of this very process. */
  readonly node: string;
}

/** Starts what is to be measured and answers its processes once the device is connected. */
type Contestant = (stage: Stage, programs: AsyncDisposableStack, own: string, mac: string) => Promise<Program[]>;

const contestants: Readonly<Record<string, Contestant>> = {
  'client and connect': async (stage, programs, own, mac) => {
    const bus = programs.use(await startBus(own));
    await layDevice({ folder: own, mac, type: 'bench', serverUrl: stage.serverUrl, every: 2 });
    const client = programs.use(await startBuilt('client', stage, own, bus.address));
    const device = await stage.operator.welcome(mac);
    const connect = programs.use(await startBuilt('connect', stage, own, bus.address));
    await stage.operator.connected(device.id);
    return [client, connect];
  },
  'device daemon': async (stage, programs, own, mac) => {
    const bus = programs.use(await startBus(own));
    await layDevice({ folder: own, mac, type: 'bench', serverUrl: stage.serverUrl, every: 2 });
    const both = programs.use(await startBuilt('device', stage, own, bus.address));
    await stage.operator.connected((await stage.operator.welcome(mac)).id);
    return [both];
  },
  'device daemon, ten checks': async (stage, programs, own, mac) => {
    const bus = programs.use(await startBus(own));
    await layDevice({ folder: own, mac, type: 'bench', serverUrl: stage.serverUrl, every: 2 });
    await layTenChecks(own);
    const both = programs.use(await startBuilt('device', stage, own, bus.address));
    await stage.operator.connected((await stage.operator.welcome(mac)).id);
    return [both];
  },
  mender: async (stage, programs, own, mac) => {
    const bus = programs.use(await startBus(own));
    await layDevice({ folder: own, mac, type: 'bench', serverUrl: stage.serverUrl, every: 2 });
    const client = programs.use(await startMender(own, bus.address));
    const device = await stage.operator.welcome(mac);
    const connect = programs.use(await startMenderConnect(own, bus.address));
    await stage.operator.connected(device.id);
    return [client, connect];
  },
  'bare node': async (stage, programs) => [
    programs.use(new Program('bare node', stage.node, ['-e', 'setInterval(() => {}, 1e6)'])),
  ],
};

/** Of all kinds, a pattern among them that needs its library. All are well. */
async function layTenChecks(own: string): Promise<void> {
  const enabled = join(own, 'etc', 'mender-monitor', 'monitor.d', 'enabled');
  await mkdir(enabled, { recursive: true });
  const log = join(own, 'some.log');
  await writeFile(log, '');
  const checks = {
    disk_root: 'DISK_PERCENT=100',
    memory_all: 'MEMORY_PERCENT=100',
    load_all: 'LOAD_LOAD=1000',
    process_bus: 'PROCESS_PROCESS=dbus-daemon',
    log_panic: `LOG_PATTERN="panic|oops"\nLOG_FILE="${log}"`,
    log_words: `LOG_PATTERN="out of memory"\nLOG_FILE="${log}"`,
    dbus_signal: `DBUS_WATCH_EXPRESSION="type='signal',interface='org.example.None'"`,
    disk_tmp: 'DISK_PATH=/tmp\nDISK_PERCENT=100',
    memory_more: 'MEMORY_PERCENT=100\nMEMORY_EVERY=60',
    load_more: 'LOAD_LOAD=1000\nLOAD_EVERY=60',
  };
  for (const [name, text] of Object.entries(checks)) await writeFile(join(enabled, `${name}.sh`), `${text}\n`);
}

export const run: Bench = async ({ json, count: rounds = 5 }) => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  await using all = new AsyncDisposableStack();
  all.defer(() => rm(folder, { recursive: true, force: true }));
  const built = join(folder, 'built');
  await execute(process.execPath, [join(root, 'tools', 'build.mjs'), '--no-web', '--out', built], { cwd: root });
  const node = join(folder, 'node');
  await copyFile(process.execPath, node);
  const server = await startServer(folder);
  all.defer(async () => void (await server.stop()));
  const operator = await Operator.login(server.url, server.user, server.password);
  const stage = { operator, serverUrl: server.url, folder, built: join(built, 'bin'), node };

  const seen = new Map<string, Memory[][]>();
  let started = 0;
  for (let round = 0; round < rounds; round += 1)
    for (const [name, start] of Object.entries(contestants)) {
      try {
        started += 1;
        const mac = `02:00:00:0f:00:${started.toString(16).padStart(2, '0')}`;
        const own = await mkdtemp(join(folder, 'device-'));
        seen.set(name, [...(seen.get(name) ?? []), await measure(start, stage, own, mac)]);
      } catch (error) {
        // A machine without the real programs still measures what it has.
        if (!(error instanceof PeerMissing)) throw error;
        if (round === 0 && !json) console.error(`bench: without ${name}: ${error.message}`);
      }
    }
  return rows(seen);
};

async function measure(start: Contestant, stage: Stage, own: string, mac: string): Promise<Memory[]> {
  await using programs = new AsyncDisposableStack();
  const running = await start(stage, programs, own, mac);
  await pause(settling);
  return await Promise.all(running.map(memoryOf));
}

async function memoryOf({ name, child }: Program): Promise<Memory> {
  const text = await readFile(`/proc/${child.pid}/smaps_rollup`, 'utf8');
  const field = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]);
  return { name, privateDirty: field('Private_Dirty'), pss: field('Pss') };
}

function rows(seen: ReadonlyMap<string, readonly Memory[][]>): Row[] {
  const [pair, one] = [seen.get('client and connect') ?? [], seen.get('device daemon') ?? []];
  const checks = seen.get('device daemon, ten checks') ?? [];
  const [mender, bare] = [seen.get('mender') ?? [], seen.get('bare node') ?? []];
  const dirty = (runs: readonly Memory[][]) => median(runs.map((run) => sum(run, 'privateDirty'))) / 1024;
  const pss = (runs: readonly Memory[][], index: number) => median(runs.map((run) => run[index]?.pss ?? 0)) / 1024;
  const row = (what: string, ours: number, against: string, other: number, limit: number): Row => {
    const ratio = ours / other;
    return {
      bench: 'footprint',
      case: what,
      unit: 'MiB',
      ours,
      against,
      other,
      ratio,
      target: `≤ ${limit}`,
      met: ratio <= limit,
    };
  };
  const pairs = mender.length > 0 ? dirty(mender) : undefined;
  return [
    ...(pairs === undefined
      ? []
      : [
          row('client and connect, private dirty', dirty(pair), "Mender's pair", pairs, 2.5),
          row('device daemon, private dirty', dirty(one), "Mender's pair", pairs, 1.5),
          row('device daemon with ten checks, private dirty', dirty(checks), "Mender's pair", pairs, 1.5),
        ]),
    row('client, PSS', pss(pair, 0), 'bare node', pss(bare, 0), 1.6),
    row('connect, PSS', pss(pair, 1), 'bare node', pss(bare, 0), 1.6),
    row('device daemon, PSS', pss(one, 0), 'bare node', pss(bare, 0), 1.6),
    row('device daemon with ten checks, PSS', pss(checks, 0), 'bare node', pss(bare, 0), 1.6),
  ];
}

const sum = (run: readonly Memory[], field: 'privateDirty' | 'pss'): number =>
  run.reduce((total, memory) => total + memory[field], 0);
