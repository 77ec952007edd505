// A real machine: GRUB, a kernel, a root file system with our bundled client as it ships. It updates itself, comes back from
// what does not boot, and from a plug that is pulled in the middle: no moment may leave it without a system that starts, or
// with one that is neither the old nor the new. `npm run bench -- powercut` does this at a hundred moments. Emulated, so that
// it runs anywhere: a start takes some ten seconds, and so one machine and one good update serve all of it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { fault } from './qemu/device.ts';
import { describeMachine } from './qemu/suite.ts';

const cuts = [
  ['while it writes the image', /root file system is being written/, /failure/],
  ['when the boot loader has just been told', /boot loader starts the new root file system next/, /failure/],
  ['while the new system starts', /reboot: Restarting system/, /success|failure/],
  ['when the new system has just been committed', /root file system committed/, /success|failure/],
] as const;

await describeMachine('a machine that boots', ['release-2'], (device) => {
  /** Of the good update: at each moment is kept what a power cut would leave. */
  let moments: string;
  let good: string;
  beforeAll(async () => {
    moments = await mkdtemp(join(tmpdir(), 'patchbay-moments-'));
  });
  afterAll(async () => await rm(moments, { recursive: true, force: true }));

  it.each([
    ['panics', 'Attempted to kill init'],
    ['no kernel', 'has no kernel that can be loaded'],
  ] as const)('UC-93 comes back from a new root file system that does not boot: %s', async (start, says) => {
    const bad = `release-${start.replace(' ', '-')}`;
    await device().release(bad, start);
    const ending = await device().ended(await device().deploy(bad));
    expect(device().lines.join('\n')).toContain(says);
    expect(device().lines.join('\n')).toContain('was not committed: back to the old one');
    expect(ending).toEqual({
      report: 'failure',
      runs: 'release-1',
      name: 'release-1',
      running: '2',
      next: '2',
      trial: '0',
    });
  });

  it('UC-92 updates itself from A to B, starts B and commits it', async () => {
    good = await device().deploy('release-2');
    for (const [name, moment] of cuts) {
      await device().says(moment);
      await device().save(join(moments, name));
    }
    expect(await device().ended(good)).toEqual({
      report: 'success',
      runs: 'release-2',
      name: 'release-2',
      running: '3',
      next: '3',
      trial: '0',
    });
  });

  it.each(cuts)(
    'UC-67 … UC-75 its plug pulled %s: starts again, whole, and says what it is',
    async (name, _, report) => {
      await device().restore(join(moments, name));
      const ending = await device().ended(good);
      expect(fault(ending, 'release-1', 'release-2'), JSON.stringify(ending)).toBeUndefined();
      expect(ending.report).toMatch(report);
    },
  );
});
