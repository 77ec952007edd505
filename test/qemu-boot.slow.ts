// A real machine: GRUB, a kernel, a root file system with our bundled client as it ships. It updates itself, and comes
// back from what does not boot. Emulated, so that it runs anywhere: a start takes some ten seconds.
import { expect, it } from 'vitest';
import { describeMachine } from './qemu/suite.ts';

await describeMachine('a machine that boots', ['release-2'], (device) => {
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
    const ending = await device().ended(await device().deploy('release-2'));
    expect(ending).toEqual({
      report: 'success',
      runs: 'release-2',
      name: 'release-2',
      running: '3',
      next: '3',
      trial: '0',
    });
  });
});
