// Pulls the plug of a real machine (under QEMU) at moments spread over an update, and looks what it has become: each time
// it must start by itself, be new and committed or old and working, and have told its server which. `--count` says how
// often; a hundred take some hours of emulation on two cores. With two cores two machines work side by side.
import { mkdtemp, rm } from 'node:fs/promises';
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
  /** Part of the update that had gone by, 0 to 1. */
  readonly at: number;
  /** What the console said last. */
  readonly during: string;
  readonly ending?: Ending;
  /** What is wrong with that. */
  readonly fault?: string;
}

export async function run({ count = 100 }: Options): Promise<readonly Row[]> {
  const machines = Math.max(1, Math.min(2, availableParallelism(), count));
  const moments = Array.from({ length: count }, (_, index) => (index + 0.5) / count);
  const shares = Array.from({ length: machines }, (_, machine) => moments.filter((__, n) => n % machines === machine));
  // All of them end, and are switched off, before one that failed is told.
  const ended = await Promise.allSettled(shares.map((share, machine) => series(share, machine)));
  const cuts = ended.flatMap((one) => {
    if (one.status === 'rejected') throw one.reason as Error;
    return one.value;
  });
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

/** One machine, cut at each of these moments; each update is to the release that it does not run. */
async function series(moments: readonly number[], machine: number): Promise<Cut[]> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-powercut-'));
  const cuts: Cut[] = [];
  try {
    await using device = await VirtualDevice.open(folder);
    say(`machine ${machine + 1} runs (${device.accelerator})`);
    await device.release('release-2');
    await device.release('release-3');
    let runs = 'release-1';
    // One update without a cut says how long it takes.
    const start = performance.now();
    const plain = await device.ended(await device.deploy('release-2'));
    const whole = performance.now() - start;
    const wrong = fault(plain, runs, 'release-2');
    if (wrong !== undefined) throw new Error(`the update without a power cut: ${wrong}`);
    runs = plain.runs;
    say(`machine ${machine + 1}: an update takes ${Math.round(whole / 1000)} s`);
    for (const at of moments) {
      const wanted = runs === 'release-2' ? 'release-3' : 'release-2';
      const deployment = await device.deploy(wanted);
      await pause(whole * at);
      const during = phaseOf(device.lines);
      await device.pullPlug();
      device.switchOn();
      const cut = await device.ended(deployment).then(
        (ending): Cut => {
          const why = fault(ending, runs, wanted);
          return { at, during, ending, ...(why === undefined ? {} : { fault: why }) };
        },
        (error: unknown): Cut => ({ at, during, fault: String(error) }),
      );
      cuts.push(cut);
      const result = cut.fault ?? `${cut.ending?.report}, runs ${cut.ending?.runs}`;
      say(`machine ${machine + 1}, cut ${cuts.length} at ${Math.round(at * 100)} %, ${during}: ${result}`);
      if (!cut.ending) break; // it does not come back: what follows would say nothing
      runs = cut.ending.runs;
    }
    return cuts;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const phases: readonly [said: RegExp, during: string][] = [
  [/deployment ended/, 'after the end'],
  [/root file system committed/, 'after the commit'],
  [/deployment continued/, 'verification and commit'],
  [/board: .* runs/, 'start of the client in the new system'],
  [/reboot: Restarting/, 'boot loader and kernel of the new system'],
  [/deployment status: rebooting/, 'reboot'],
  [/boot loader starts the new/, 'before the reboot'],
  [/deployment status: installing/, 'change of the boot variables'],
  [/root file system written/, 'after the writing'],
  [/is being written/, 'writing of the image'],
  [/deployment started/, 'begin of the download'],
];

const phaseOf = (lines: readonly string[]): string =>
  phases.find(([said]) => lines.some((line) => said.test(line)))?.[1] ?? 'before the deployment';

function counted(words: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
}

/** Beside the result, which goes to standard output. */
const say = (line: string): void => console.error(line);
