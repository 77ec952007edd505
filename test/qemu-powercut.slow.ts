// A real machine whose plug is pulled in the middle of an update: no moment may leave it without a system that starts, or
// with one that is neither the old nor the new. `npm run bench -- powercut` does this at a hundred moments.
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

await describeMachine('a machine without power', ['release-2'], (device) => {
  let folder: string;
  let deployment: string;
  // One update goes to its end; at each moment is kept what a power cut would leave.
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-moments-'));
    deployment = await device().deploy('release-2');
    for (const [name, moment] of cuts) {
      await device().says(moment);
      await device().save(join(folder, name));
    }
    expect(await device().ended(deployment)).toMatchObject({ report: 'success', runs: 'release-2' });
  }, 600_000);
  afterAll(async () => await rm(folder, { recursive: true, force: true }));

  it.each(cuts)(
    'UC-67 … UC-75 its plug pulled %s: starts again, whole, and says what it is',
    async (name, _, report) => {
      await device().restore(join(folder, name));
      const ending = await device().ended(deployment);
      expect(fault(ending, 'release-1', 'release-2'), JSON.stringify(ending)).toBeUndefined();
      expect(ending.report).toMatch(report);
    },
  );
});
