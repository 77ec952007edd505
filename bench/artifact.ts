// Writing and validating an artifact of 512 MiB: seconds and peak memory of `patchbay artifact`, as it is shipped (in one
// file), beside the real mender-artifact and sha256sum. `node bench/artifact.ts` works alone.
import { spawn } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { peer } from '../test/peers.ts';
import { median, type Row } from './row.ts';

const MiB = 1024 * 1024;
const imageSize = 512 * MiB;
const peakLimit = 120; // MiB, design §8

interface Options {
  readonly json: boolean;
  readonly rounds?: number;
}

interface Measure {
  readonly seconds: number;
  /** Peak resident memory, MiB. */
  readonly peak: number;
}

export async function run({ rounds = 5 }: Options): Promise<readonly Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-artifact-'));
  try {
    const image = join(folder, 'image');
    await makeImage(image);
    const ours = [process.execPath, await packaged(folder), 'artifact'];
    const mender = [join(await peer('mender-artifact'), 'usr', 'bin', 'mender-artifact')];
    const write = (tool: readonly string[], name: string, output: string) => [
      ...tool,
      ...`write rootfs-image --no-progress -n release-1 -t board --compression ${name}`.split(' '),
      '-f',
      image,
      '-o',
      output,
    ];
    const at = (name: string) => join(folder, name);
    const tasks = new Map<string, readonly string[]>();
    for (const name of ['none', 'gzip', 'zstd_fast'])
      tasks.set(`ours write ${name}`, write(ours, name, at(`ours-${name}`)));
    for (const name of ['none', 'gzip']) tasks.set(`mender write ${name}`, write(mender, name, at(`mender-${name}`)));
    // Each tool validates the same file, which the other side has made, where it can.
    for (const name of ['none', 'gzip']) {
      tasks.set(`ours validate ${name}`, [...ours, 'validate', at(`mender-${name}`)]);
      tasks.set(`mender validate ${name}`, [...mender, 'validate', at(`mender-${name}`)]);
    }
    tasks.set('ours validate zstd_fast', [...ours, 'validate', at('ours-zstd_fast')]);
    tasks.set('sha256sum', ['sha256sum', at('mender-none')]);
    return rowsOf(await measureAll(tasks, rounds));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Medians, the tasks in turn so that what disturbs one round disturbs all. The first round only warms. */
async function measureAll(
  tasks: ReadonlyMap<string, readonly string[]>,
  rounds: number,
): Promise<Map<string, Measure>> {
  const measures = new Map<string, Measure[]>([...tasks.keys()].map((name) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [name, command] of tasks) {
      const measure = await timed(command);
      if (round > 0) measures.get(name)?.push(measure);
    }
  }
  return new Map(
    [...measures].map(([name, all]) => [
      name,
      { seconds: median(all.map(({ seconds }) => seconds)), peak: median(all.map(({ peak }) => peak)) },
    ]),
  );
}

function rowsOf(measures: ReadonlyMap<string, Measure>): Row[] {
  const of = (name: string): Measure => measures.get(name) ?? { seconds: Number.NaN, peak: Number.NaN };
  const rows: Row[] = [];
  const add = (name: string, unit: 's' | 'MiB', ours: number, against: string, other: number, most: number) => {
    const ratio = ours / other;
    const met = unit === 's' ? ratio <= most : ours <= most;
    const target = unit === 's' ? `≤ ${most}` : `≤ ${most} MiB`;
    rows.push({ bench: 'artifact', case: name, unit, ours, against, other, ratio, target, met });
  };
  for (const what of ['write', 'validate']) {
    for (const name of ['none', 'gzip', 'zstd_fast']) {
      const ours = of(`ours ${what} ${name}`);
      // mender-artifact 3.9 has no zstd: its default stands in.
      const theirs = name === 'zstd_fast' ? 'gzip' : name;
      const other = of(`mender ${what} ${theirs}`);
      const against = theirs === name ? 'mender-artifact' : `mender-artifact ${theirs}`;
      add(`${what} ${name}`, 's', ours.seconds, against, other.seconds, 1);
      add(`${what} ${name} peak`, 'MiB', ours.peak, against, other.peak, peakLimit);
    }
  }
  add('validate none', 's', of('ours validate none').seconds, 'sha256sum', of('sha256sum').seconds, 1.3);
  return rows;
}

/** Runs a command to its end. Memory is what the kernel notes as the peak, looked at until the process is gone. */
async function timed([program = '', ...args]: readonly string[]): Promise<Measure> {
  const start = performance.now();
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (text: Buffer) => (complaint += text.toString()));
  let peak = 0;
  const watch = setInterval(() => {
    void readFile(`/proc/${child.pid}/status`, 'utf8').then(
      (status) => (peak = Math.max(peak, Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? 0))),
      () => undefined,
    );
  }, 20);
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    const seconds = (performance.now() - start) / 1000;
    if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${complaint}`);
    return { seconds, peak: peak / 1024 };
  } finally {
    clearInterval(watch);
  }
}

/** The launcher and the command in one file, as the package has them. Answers the launcher. */
async function packaged(folder: string): Promise<string> {
  const root = join(import.meta.dirname, '..');
  const { bundleArtifact } = (await import(join(root, 'tools', 'bundle.mjs'))) as {
    bundleArtifact: (root: string, out: string) => Promise<void>;
  };
  await bundleArtifact(root, folder);
  await mkdir(join(folder, 'bin'));
  for (const file of ['package.json', 'bin/patchbay.js', 'bin/child.js'])
    await copyFile(join(root, file), join(folder, file));
  return join(folder, 'bin', 'patchbay.js');
}

/**
 * An image that compresses to some 65 %, as that of `artifact-format.md` §18: stretches of 64 KiB that are random, text,
 * zeros, or sparse binary. The same each time.
 */
export async function makeImage(path: string): Promise<void> {
  const stretch = 64 * 1024;
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 7), Buffer.alloc(16));
  const random = (length: number) => cipher.update(Buffer.alloc(length));
  const words = Array.from({ length: 4096 }, () => random(2 + (random(1)[0] ?? 0) / 32).toString('base64'));
  const kinds = [
    ...Array.from({ length: 11 }, () => () => random(stretch)),
    ...Array.from({ length: 5 }, () => () => text(words, random(stretch), stretch)),
    ...Array.from({ length: 2 }, () => () => Buffer.alloc(stretch)),
    ...Array.from({ length: 2 }, () => () => random(stretch).map((byte, index) => (index % 16 < 4 ? byte : 0))),
  ];
  const file = await open(path, 'wx');
  try {
    for (let size = 0; size < imageSize; size += stretch) {
      const kind = kinds[(random(1)[0] ?? 0) % kinds.length] ?? (() => Buffer.alloc(stretch));
      await file.write(kind());
    }
  } finally {
    await file.close();
  }
}

function text(words: readonly string[], choice: Buffer, length: number): Buffer {
  let written = '';
  for (let at = 0; written.length < length; at += 2)
    written += `${words[choice.readUInt16LE(at % (length - 2)) % 4096]} `;
  return Buffer.from(written.slice(0, length), 'latin1');
}

if (import.meta.main) {
  const json = process.argv.includes('--json');
  for (const row of await run({ json })) console.log(json ? JSON.stringify(row) : sentence(row));
}

function sentence({ case: name, ours, unit, against, other, ratio, target, met }: Row): string {
  const verdict = met ? 'met' : 'MISSED';
  return `${name}: ${ours.toFixed(2)} ${unit}, ${against} ${other.toFixed(2)} ${unit}, ratio ${ratio.toFixed(2)} (${target}): ${verdict}`;
}
