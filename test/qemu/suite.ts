import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { describePeers } from '../peers.ts';
import { VirtualDevice } from './device.ts';

const packages = ['linux-image-cloud-amd64', 'busybox-static', 'grub-pc-bin', 'grub-common'];

/**
 * A suite with a virtual device that runs `release-1`, and whose server has these other releases. Where there can be none
 * it is skipped and says why; in CI that is a failure.
 */
export async function describeMachine(
  title: string,
  releases: readonly string[],
  suite: (device: () => VirtualDevice) => void,
): Promise<void> {
  const missing = ['qemu-system-x86_64', 'mke2fs'].filter((program) => !starts(program));
  const why = process.arch === 'x64' ? missing.map((program) => `${program} missing`).join(', ') : 'needs an x86_64';
  await describePeers(title, packages, () => withDevice(releases, suite), why === '' ? undefined : why);
}

function withDevice(releases: readonly string[], suite: (device: () => VirtualDevice) => void): void {
  let folder: string;
  let device: VirtualDevice;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-qemu-'));
    device = await VirtualDevice.open(folder);
    for (const release of releases) await device.release(release);
  }, 600_000);
  afterAll(async () => {
    await device?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });
  suite(() => device);
}

function starts(program: string): boolean {
  try {
    const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
    execFileSync(program, [program === 'mke2fs' ? '-V' : '--version'], { stdio: 'ignore', env });
    return true;
  } catch {
    return false;
  }
}
