// Pulls the plug of a real machine (under QEMU) at moments spread over updates, and looks what it has become: each time
// it must start by itself, be new and committed or old and working, and have told its server which. `--count` says how
// often. An update runs to its end once for every 25 cuts: what its disk and its server hold is kept at each of the moments,
// and the machine is started from there. With two cores two machines work side by side; PATCHBAY_POWERCUT_MACHINES=1 makes
// it one. The moments are spread evenly over the phases of an update, which the console tells, and within each by its time:
// by the clock alone nearly all of them would be in the long starts, none in the writing. PATCHBAY_POWERCUT_LOG names a file to which each cut is added as a line of JSON; one that was cut itself goes on there.
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fault, VirtualDevice, type Ending } from '../test/qemu/device.ts';
import type { Row } from './row.ts';

interface Options {
  readonly json: boolean;
  readonly count?: number;
}

interface Cut {
  /** Phase of the update, as far as the console had told. */
  readonly during: string;
  /** Part of the phase that was meant and that had gone by, 0 to 1. */
  readonly at: number;
  readonly ending?: Ending;
  /** What is wrong with that. */
  readonly fault?: string;
}

const perUpdate = 25;

export async function run({ count = 100 }: Options): Promise<readonly Row[]> {
  const log = process.env['PATCHBAY_POWERCUT_LOG'];
  const before = log === undefined ? [] : await made(log);
  const left = Math.max(0, count - before.length);
  const most = Number(process.env['PATCHBAY_POWERCUT_MACHINES'] ?? Math.min(2, availableParallelism()));
  const updates = Array.from({ length: Math.ceil(left / perUpdate) }, (_, n) =>
    Math.min(perUpdate, left - n * perUpdate),
  );
  const machines = Math.min(most, updates.length);
  const shares = Array.from({ length: machines }, (_, machine) => updates.filter((__, n) => n % machines === machine));
  const keep = async (cut: Cut) => {
    if (log !== undefined) await appendFile(log, `${JSON.stringify(cut)}\n`);
  };
  // All of them end, and are switched off, before one that failed is told.
  const ended = await Promise.allSettled(shares.map((share, machine) => series(share, machine, keep)));
  const cuts = [
    ...before,
    ...ended.flatMap((one) => {
      if (one.status === 'rejected') throw one.reason as Error;
      return one.value;
    }),
  ].slice(0, count);
  const good = cuts.filter((cut) => cut.fault === undefined);
  const reported = (report: string) => cuts.filter(({ ending }) => ending?.report === report).length;
  say(`${cuts.length} cuts: ${reported('success')} ended new, ${reported('failure')} old; by what was going on:`);
  for (const [during, number] of counted(cuts.map((cut) => cut.during)))
    say(`  ${String(number).padStart(4)}  ${during}`);
  return [
    {
      bench: 'powercut',
      case: 'ends bootable, consistent, reported',
      unit: 'cuts',
      ours: good.length,
      against: 'cuts made',
      other: cuts.length,
      ratio: good.length / cuts.length,
      target: '= 1',
      met: good.length === cuts.length,
    },
  ];
}

/** Cuts that an earlier run has written down. */
async function made(log: string): Promise<Cut[]> {
  const text = await readFile(log, 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => JSON.parse(line) as Cut);
}

/** One machine and its updates, each cut so often; each is to the release that it does not run. */
async function series(updates: readonly number[], machine: number, keep: (cut: Cut) => Promise<void>): Promise<Cut[]> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-powercut-'));
  const cuts: Cut[] = [];
  try {
    await using device = await VirtualDevice.open(folder);
    say(`machine ${machine + 1} runs (${device.accelerator})`);
    await device.release('release-2');
    await device.release('release-3');
    let runs = 'release-1';
    const lengths: number[] = [];
    const update = async (count: number): Promise<void> => {
      const wanted = runs === 'release-2' ? 'release-3' : 'release-2';
      const deployment = await device.deploy(wanted);
      const moments: { at: number; during: string; saved: string }[] = [];
      for (let index = 0; index < count; index += 1) {
        // Each update is cut at moments of its own, between those of the others.
        const place = ((index + ((cuts.length / perUpdate / (updates.length + 1)) % 1)) / count) * phases.length;
        const [phase, at] = [Math.floor(place), place % 1];
        await device.says(phases[phase]!.said);
        await pause(at * lengths[phase]!);
        const saved = join(folder, `moment-${index}`);
        await device.save(saved);
        moments.push({ at, during: phaseOf(device.lines), saved });
      }
      if (count === 0) await measure(device, lengths);
      const plain = await device.ended(deployment);
      const wrong = plain.report === 'success' ? fault(plain, runs, wanted) : `it ended with ${plain.report}`;
      if (wrong !== undefined) throw new Error(`the update without a power cut: ${wrong}`);
      const end = join(folder, 'end');
      await device.save(end);
      for (const { at, during, saved } of moments) {
        await device.restore(saved);
        const cut = await device.ended(deployment).then(
          (ending): Cut => {
            const why = fault(ending, runs, wanted);
            return { at, during, ending, ...(why === undefined ? {} : { fault: why }) };
          },
          (error: unknown): Cut => ({ at, during, fault: String(error) }),
        );
        cuts.push(cut);
        await keep(cut);
        const result = cut.fault ?? `${cut.ending?.report}, runs ${cut.ending?.runs}`;
        say(`machine ${machine + 1}, cut ${cuts.length}, ${during}, ${Math.round(at * 100)} %: ${result}`);
      }
      await device.restore(end);
      // What it says of this start is not to be taken for the one in the middle of the next update.
      await device.says(started);
      runs = wanted;
    };
    // One without a cut says how long it takes.
    await update(0);
    phases.forEach(({ name }, n) => say(`machine ${machine + 1}: ${name}: ${Math.round(lengths[n]!)} ms`));
    for (const count of updates) await update(count);
    return cuts;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A system runs, and is about to start the client. */
const started = /board: .* runs/;

/** Begins with a line of the console, and ends with that of the next. */
const phases: readonly { readonly said: RegExp; readonly name: string }[] = [
  { said: /deployment started/, name: 'begin of the download' },
  { said: /is being written/, name: 'writing of the image' },
  { said: /root file system written/, name: 'after the writing' },
  { said: /deployment status: installing/, name: 'change of the boot variables' },
  { said: /boot loader starts the new/, name: 'before the reboot' },
  { said: /deployment status: rebooting/, name: 'reboot' },
  { said: /reboot: Restarting/, name: 'boot loader and kernel of the new system' },
  { said: started, name: 'start of the client in the new system' },
  { said: /deployment continued/, name: 'verification and commit' },
  { said: /root file system committed/, name: 'after the commit' },
  { said: /deployment ended/, name: 'after the end' },
];

const phaseOf = (lines: readonly string[]): string =>
  phases.findLast(({ said }) => lines.some((line) => said.test(line)))?.name ?? 'before the deployment';

/** How long each phase takes, ms. */
async function measure(device: VirtualDevice, lengths: number[]): Promise<void> {
  let begun: number | undefined;
  for (const { said } of phases) {
    await device.says(said);
    if (begun !== undefined) lengths.push(performance.now() - begun);
    begun = performance.now();
  }
  // Nothing comes after the last one.
  lengths.push(2000);
}

function counted(words: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}

/** Beside the result, which goes to standard output. */
const say = (line: string): void => console.error(line);
