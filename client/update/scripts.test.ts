import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { paths } from '../places.ts';
import { RigDevice } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { StateScripts } from './scripts.ts';

let device: RigDevice;
let log: RigLog;
let scripts: StateScripts;
const signal = new AbortController().signal;
beforeEach(() => {
  device = new RigDevice({});
  log = new RigLog();
  scripts = new StateScripts({
    rootFolder: paths.rootScripts(device.places),
    artifactFolder: paths.artifactScripts(device.places),
    timings: { StateScriptTimeoutSeconds: 40, StateScriptRetryIntervalSeconds: 1, StateScriptRetryTimeoutSeconds: 20 },
    clock: { second: 25 },
  });
});
afterEach(() => device[Symbol.dispose]());

function script(name: string, body: string, mode = 0o755): void {
  device.write(
    join(paths.rootScripts(device.places), name),
    `#!/bin/sh\necho ${name} >>'${device.callLog}'\n${body}\n`,
    mode,
  );
}

describe('state scripts', () => {
  it('UC-48 run by name; others are passed over', async () => {
    for (const name of ['Sync_Enter_10', 'Sync_Enter_01_first', 'Sync_Enter_1', 'Sync_Enter_02 x', 'Sync_Leave_01'])
      script(name, '');
    script('Sync_Enter_03', '', 0o644);
    await scripts.run('Sync_Enter', log, signal);
    expect(device.calls()).toEqual(['Sync_Enter_01_first', 'Sync_Enter_10']);
  });

  it('UC-49 a script that asks for later is run again, but not for ever', async () => {
    script('Sync_Enter_01', `[ "$(grep -c . '${device.callLog}')" -ge 3 ] || exit 21`);
    await scripts.run('Sync_Enter', log, signal);
    expect(device.calls()).toHaveLength(3);
    script('Sync_Leave_01', 'exit 21');
    await expect(scripts.run('Sync_Leave', log, signal)).rejects.toThrow('after the retry limit');
  });

  it('UC-50 one that takes too long is killed', async () => {
    script('Sync_Enter_01', 'sleep 60');
    await expect(scripts.run('Sync_Enter', log, signal)).rejects.toThrow('took too long');
  });

  it('UC-51 the first error ends a group, but not an Error group', async () => {
    for (const phase of ['Enter', 'Error']) {
      script(`Sync_${phase}_01`, 'exit 1');
      script(`Sync_${phase}_02`, '');
    }
    await expect(scripts.run('Sync_Enter', log, signal)).rejects.toThrow('ended with 1');
    await scripts.run('Sync_Error', log, signal);
    expect(device.calls()).toEqual(['Sync_Enter_01', 'Sync_Error_01', 'Sync_Error_02']);
  });

  it('UC-52 a version that cannot be run fails the groups of its folder', async () => {
    script('Sync_Enter_01', '');
    device.write(join(paths.rootScripts(device.places), 'version'), '1');
    await expect(scripts.run('Sync_Enter', log, signal)).rejects.toThrow("version '1'");
    expect(() => scripts.checkVersion()).toThrow("version '1'");
    device.write(join(paths.rootScripts(device.places), 'version'), '2\n');
    await scripts.run('Sync_Enter', log, signal);
  });

  it('UC-53 those of an earlier artifact are gone, and no name leads elsewhere', () => {
    const content = Buffer.from('#!/bin/sh\n');
    const folder = paths.artifactScripts(device.places);
    scripts.store([{ name: 'ArtifactInstall_Enter_01', content }]);
    scripts.store([{ name: 'ArtifactCommit_Leave_99_x', content }]);
    expect(existsSync(join(folder, 'ArtifactInstall_Enter_01'))).toBe(false);
    expect(existsSync(join(folder, 'ArtifactCommit_Leave_99_x'))).toBe(true);
    for (const name of ['../ArtifactInstall_Enter_01', 'Idle_Enter_01', 'ArtifactInstall_Enter_01_/../x'])
      expect(() => scripts.store([{ name, content }])).toThrow('no state script name');
  });

  it('output is in the log', async () => {
    script('Sync_Enter_01', 'echo hello; echo oops >&2');
    await scripts.run('Sync_Enter', log, signal);
    expect(log.text()).toContain('Collected output (stdout) while running script: hello');
    expect(log.text()).toContain('Collected output (stderr) while running script: oops');
  });
});
