// Installing a root file system of 512 MiB by hand into a loop device: `patchbay client install`, as it ships (in one
// file), beside the real `mender install` and `dd` with `sha256sum`. Both clients run from another loop device, with
// U-Boot's real tools. Needs root.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileSource, writeArtifact } from '#artifact';
import { peer, peerEnvironment } from '../test/peers.ts';
import { onSignal } from '../test/stage/on-signal.ts';
import { TwoRoots } from '../test/stage/two-roots.ts';
import { makeImage } from './artifact.ts';
import { median, type Row } from './row.ts';

const start = promisify(execFile);

interface Options {
  readonly json: boolean;
  readonly count?: number;
}

interface Installer {
  readonly name: string;
  readonly command: (artifact: string, store: string) => readonly string[];
  readonly env: NodeJS.ProcessEnv;
}

export async function run({ count: rounds = 5 }: Options): Promise<readonly Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-install-'));
  using _ = onSignal(() => rmSync(folder, { recursive: true, force: true }));
  await using machine = await TwoRoots.open({ bootLoader: 'U-Boot', size: 8, sizeOfB: 512, inhabited: true });
  try {
    const image = join(folder, 'image');
    await makeImage(image);
    const config = await configured(folder, machine);
    const installers = [await ours(folder, config), await mender(folder, config)];
    const rows: Row[] = [];
    for (const compression of ['none', 'gzip'] as const) {
      const artifact = await artifactOf(folder, image, compression);
      const fresh = await measured(machine, folder, installers, artifact, rounds, true);
      const again = await measured(machine, folder, installers, artifact, rounds, false);
      rows.push(row(`${compression}, all of it new`, fresh), row(`${compression}, all of it there`, again));
    }
    const bare: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      await emptied(machine);
      const copied = await timed([
        'dd',
        `if=${image}`,
        `of=${machine.devices.b}`,
        'bs=1M',
        'conv=fsync',
        'status=none',
      ]);
      const summed = await timed(['sha256sum', image]);
      if (round > 0) bare.push(copied + summed);
    }
    const first = rows[0]?.ours ?? Number.NaN;
    const other = median(bare);
    // Design §8 sets no limit here: it says what the machine can do.
    const known = { unit: 's', against: 'dd and sha256sum', target: 'none', met: true };
    rows.push({ bench: 'install', case: 'none, all of it new', ours: first, other, ratio: first / other, ...known });
    return rows;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function row(name: string, [mine = [], theirs = []]: readonly (readonly number[])[]): Row {
  const [seconds, other] = [median(mine), median(theirs)];
  const ratio = seconds / other;
  const against = 'mender install';
  return {
    bench: 'install',
    case: name,
    unit: 's',
    ours: seconds,
    against,
    other,
    ratio,
    target: '≤ 1',
    met: ratio <= 1,
  };
}

/** Seconds of each installer, in turn so that what disturbs one round disturbs all. The first round only warms. */
async function measured(
  machine: TwoRoots,
  folder: string,
  installers: readonly Installer[],
  artifact: string,
  rounds: number,
  fresh: boolean,
): Promise<number[][]> {
  const seconds: number[][] = installers.map(() => []);
  for (let round = 0; round <= rounds; round += 1) {
    for (const [index, { command, env }] of installers.entries()) {
      if (fresh) await emptied(machine);
      // As it was before: nothing installed, nothing remembered.
      const number = machine.numberOf('a');
      await machine.set({
        mender_boot_part: number,
        mender_boot_part_hex: Number(number).toString(16),
        upgrade_available: '0',
      });
      const store = join(folder, 'store');
      await rm(store, { recursive: true, force: true });
      await mkdir(store);
      await writeFile(join(store, 'device_type'), 'device_type=board\n');
      const took = await timed(machine.inside(command(artifact, store)), { ...machine.environment(), ...env });
      const state = await machine.state();
      if (state !== 'b 1 0') throw new Error(`${installers[index]?.name} has installed nothing: ${state}`);
      if (round > 0) seconds[index]?.push(took);
    }
  }
  return seconds;
}

/** Nothing of an earlier image is left, and nothing of it waits to be written. */
async function emptied(machine: TwoRoots): Promise<void> {
  await start('blkdiscard', ['-f', machine.devices.b], { env: machine.environment() });
  await start('sync', []);
}

async function configured(folder: string, machine: TwoRoots): Promise<string> {
  const conf = join(folder, 'conf');
  await mkdir(join(folder, 'share'), { recursive: true });
  await mkdir(conf);
  const { a, b } = machine.devices;
  const settings = { ServerURL: 'https://127.0.0.1:1', RootfsPartA: a, RootfsPartB: b };
  await writeFile(join(conf, 'mender.conf'), JSON.stringify(settings));
  // Where Mender's client looks for its name, whatever it is told.
  await mkdir(join(folder, 'etc', 'mender'), { recursive: true });
  await writeFile(join(folder, 'etc', 'mender', 'artifact_info'), 'artifact_name=old\n');
  return conf;
}

async function ours(folder: string, conf: string): Promise<Installer> {
  const bundle = join(folder, 'bundle');
  const project = join(import.meta.dirname, '..');
  const script = `import('./tools/bundle.mjs').then(({ bundleDevice }) => bundleDevice(process.cwd(), ${JSON.stringify(bundle)}))`;
  await start(process.execPath, ['-e', script], { cwd: project });
  const client = [
    process.execPath,
    join(bundle, 'client.cjs'),
    '--conf-dir',
    conf,
    '--data-dir',
    join(folder, 'share'),
  ];
  return {
    name: 'patchbay client',
    command: (artifact, store) => [...client, '--datastore', store, 'install', artifact],
    env: {},
  };
}

async function mender(folder: string, conf: string): Promise<Installer> {
  const program = join(await peer('mender-client'), 'usr', 'bin', 'mender');
  const over = `mount -t overlay -o 'lowerdir=${join(folder, 'etc')}:/etc' overlay /etc && exec "$@"`;
  return {
    name: 'mender',
    command: (artifact, store) => [
      'sh',
      '-c',
      over,
      'sh',
      program,
      '--config',
      join(conf, 'mender.conf'),
      '--data',
      store,
      ...'--no-syslog --log-level warning install'.split(' '),
      artifact,
    ],
    env: await peerEnvironment('mender-client'),
  };
}

async function artifactOf(folder: string, image: string, compression: 'none' | 'gzip'): Promise<string> {
  const file = join(folder, `${compression}.mender`);
  await writeArtifact(
    {
      name: 'new',
      depends: { device_type: ['board'] },
      compression,
      payload: {
        type: 'rootfs-image',
        provides: { 'rootfs-image.version': 'new' },
        depends: {},
        clears: ['rootfs-image.*'],
        files: [await fileSource(image)],
      },
    },
    file,
  );
  return file;
}

/** Seconds that a command takes; it must end well. */
async function timed(
  [program = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  const start = performance.now();
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${said}`);
  return (performance.now() - start) / 1000;
}
