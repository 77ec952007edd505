import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { paths } from '../places.ts';
import { makeArtifact } from '../rig/artifact.ts';
import { RigRun } from '../rig/run.ts';
import { describeWhere, mountsMissing } from '#base/where.testing';

describeWhere('UC-91 a full disk', mountsMissing(), () => {
  let rig: RigRun;
  beforeEach(async () => {
    rig = await RigRun.open();
    spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', rig.device.places.store]);
    rig.device.write(paths.deviceType(rig.device.places), 'device_type=rig\n');
    rig.device.installed('release-1');
  });
  afterEach(async () => {
    await rig.stop();
    spawnSync('umount', ['-l', rig.device.places.store]);
    await rig[Symbol.asyncDispose]();
  });

  it('while payload files are stored: failure with the old name, tree gone, and the next update works', async () => {
    const { server, device, log } = rig;
    server.deployment = { id: 'big', artifact: makeArtifact({ files: { big: 'x'.repeat(2_000_000) } }) };
    rig.start();
    await log.until('deployment closed');
    expect(log.text()).toContain(`the disk that holds ${device.places.store} is full (ENOSPC`);
    expect(server.reports).toEqual(['downloading', 'failure']);
    expect(device.record().artifactName).toBe('release-1');
    expect(existsSync(paths.tree(device.places))).toBe(false);
    await rig.updates();
    expect(device.record().artifactName).toBe('release-2');
  });
});
