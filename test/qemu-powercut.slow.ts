// A real machine whose plug is pulled in the middle of updates: no moment may leave it without a system that starts, or
// with one that is neither the old nor the new. `npm run bench -- powercut` does this at a hundred moments.
import { expect, it } from 'vitest';
import { fault } from './qemu/device.ts';
import { describeMachine } from './qemu/suite.ts';

await describeMachine('a machine without power', ['release-2', 'release-3'], (device) => {
  let runs = 'release-1';
  it.each([
    ['while it writes the image', /root file system is being written/, /failure/],
    ['when the boot loader has just been told', /boot loader starts the new root file system next/, /failure/],
    ['while the new system starts', /reboot: Restarting system/, /success|failure/],
    ['when the new system has just been committed', /root file system committed/, /success|failure/],
  ])('UC-67 … UC-75 its plug pulled %s: starts again, whole, and says what it is', async (_, moment, report) => {
    const wanted = runs === 'release-2' ? 'release-3' : 'release-2';
    const deployment = await device().deploy(wanted);
    await device().says(moment);
    await device().pullPlug();
    device().switchOn();
    const ending = await device().ended(deployment);
    expect(fault(ending, runs, wanted), JSON.stringify(ending)).toBeUndefined();
    expect(ending.report).toMatch(report);
    ({ runs } = ending);
  });
});
