import { join } from 'node:path';
import { existsSync } from 'node:fs';
import { createPublicKey, verify } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { devicePaths } from '#proto/http/device';
import { paths } from './places.ts';
import { makeArtifact, type Recipe } from './rig/artifact.ts';
import type { Behaviour, RigDevice } from './rig/device.ts';
import { RigRun } from './rig/run.ts';
import type { ScriptedServer } from './rig/server.ts';

const artifactGroups = ['Install', 'Reboot', 'Commit', 'Rollback', 'RollbackReboot', 'Failure'].flatMap((state) =>
  ['Enter', 'Leave', 'Error'].map((phase) => `Artifact${state}_${phase}`),
);
const rootGroups = ['Idle', 'Sync', 'Download'].flatMap((state) =>
  ['Enter', 'Leave', 'Error'].map((phase) => `${state}_${phase}`),
);

let rig: RigRun;
let server: ScriptedServer;
let device: RigDevice;
beforeEach(async () => {
  rig = await RigRun.open();
  ({ server, device } = rig);
});
afterEach(() => rig[Symbol.asyncDispose]());

const start = () => rig.start();

/** Offers a deployment and waits until the device has said how it ended and has become idle again. */
async function deploy(behaviour: Behaviour, recipe: Recipe = {}, scriptFailures: string[] = []): Promise<string> {
  device.module(behaviour);
  const scripts = Object.fromEntries(
    artifactGroups.map((group) => [`${group}_01`, device.script(group, { fails: scriptFailures })]),
  );
  server.deployment = { id: 'd1', artifact: makeArtifact({ scripts, ...recipe }) };
  start();
  await server.ended();
  await rig.log.until('deployment closed');
  return device.record().artifactName ?? '';
}

describe('a deployment', () => {
  it('UC-26 UC-48 without reboot: calls and reports in their order, new name', async () => {
    device.rootScripts(rootGroups);
    expect(await deploy({}, { provides: { 'rootfs-image.recorder.version': '2' } })).toBe('release-2');
    expect(server.reports).toEqual(['downloading', 'installing', 'installing', 'success']);
    const calls = device.calls();
    expect(calls.slice(calls.indexOf('Download_Enter'), calls.indexOf('Cleanup') + 1)).toEqual([
      'Download_Enter',
      'ProvidePayloadFileSizes',
      'Download',
      'Download_Leave',
      'ArtifactInstall_Enter',
      'ArtifactInstall',
      'ArtifactInstall_Leave',
      'NeedsArtifactReboot',
      'ArtifactCommit_Enter',
      'ArtifactCommit',
      'ArtifactCommit_Leave',
      'Cleanup',
    ]);
    expect(device.record().provides).toEqual({ 'rootfs-image.recorder.version': '2' });
    expect(device.record().deployment).toBeUndefined();
    expect(existsSync(paths.tree(device.places))).toBe(false);
    expect(existsSync(join(device.places.store, 'deployments.0000.d1.log'))).toBe(true);
    expect(server.logs).toEqual([]);
  });

  it('UC-25 with reboot: reports rebooting, verifies, then commits', async () => {
    expect(await deploy({ needsReboot: 'Yes' })).toBe('release-2');
    expect(server.reports).toEqual(['downloading', 'installing', 'rebooting', 'installing', 'success']);
    expect(device.calls()).toEqual([
      'ProvidePayloadFileSizes',
      'Download',
      'ArtifactInstall_Enter',
      'ArtifactInstall',
      'ArtifactInstall_Leave',
      'NeedsArtifactReboot',
      'ArtifactReboot_Enter',
      'ArtifactReboot',
      'ArtifactVerifyReboot',
      'ArtifactReboot_Leave',
      'ArtifactCommit_Enter',
      'ArtifactCommit',
      'ArtifactCommit_Leave',
      'Cleanup',
    ]);
  });

  it('UC-59 UC-44 a failing install is rolled back, its log is sent', async () => {
    expect(await deploy({ fails: ['ArtifactInstall'], extra: '[ $1 != ArtifactInstall ] || echo no space >&2' })).toBe(
      'release-1',
    );
    expect(server.reports).toEqual(['downloading', 'installing', 'failure']);
    expect(device.calls().slice(3)).toEqual([
      'ArtifactInstall',
      'ArtifactInstall_Error',
      'SupportsRollback',
      'ArtifactRollback_Enter',
      'ArtifactRollback',
      'ArtifactRollback_Leave',
      'NeedsArtifactReboot',
      'ArtifactFailure_Enter',
      'ArtifactFailure',
      'ArtifactFailure_Leave',
      'Cleanup',
    ]);
    const text = server.logs
      .flat()
      .map((entry) => entry.message)
      .join('\n');
    expect(text).toContain('Update Module output (stderr): no space');
  });

  it('UC-87 wrong device type: Download_Error, failure, old name, no module call', async () => {
    device.rootScripts(['Download_Error']);
    expect(await deploy({}, { deviceTypes: ['other'] })).toBe('release-1');
    expect(server.reports).toEqual(['downloading', 'failure']);
    expect(device.calls()).toEqual(['Download_Error']);
  });

  it('UC-28 payload-less: Download scripts only, provides replaced', async () => {
    expect(await deploy({}, { type: null, provides: { a: '1' }, name: 'empty', scripts: {} })).toBe('empty');
    expect(server.reports).toEqual(['downloading', 'success']);
    expect(device.record().provides).toEqual({ a: '1' });
    expect(device.calls()).toEqual([]);
  });
});

describe('authentication', () => {
  it('UC-6 UC-7 the request is signed over its exact bytes, identity sorted', async () => {
    start();
    const request = await server.called((call) => call.path === devicePaths.authRequest);
    const { pubkey, id_data } = JSON.parse(request.body) as { pubkey: string; id_data: string };
    const signature = Buffer.from(String(request.headers['x-men-signature']), 'base64');
    expect(verify(null, Buffer.from(request.body), createPublicKey(pubkey), signature)).toBe(true);
    expect(id_data).toBe('{"mac":"00:11","serial":"1"}');
  });

  it('UC-8 a device accepted later sends its inventory at once', async () => {
    server.accepted = false;
    start();
    await server.called((call) => call.path === devicePaths.authRequest);
    server.accepted = true;
    await server.called((call) => call.path === devicePaths.attributes);
    await server.called((call) => call.path === devicePaths.nextV2);
    expect(server.inventories[0]).toContainEqual({ name: 'artifact_name', value: 'release-1' });
  });

  it('UC-10 401 on a call: one new token, one repeat', async () => {
    start();
    await server.called((call) => call.path === devicePaths.nextV2);
    server.token = 'token-2';
    rig.nudges.check();
    await server.called(
      (call) => call.path === devicePaths.nextV2 && call.headers.authorization === 'Bearer token-2',
      true,
    );
    expect(server.calls.filter((call) => call.path === devicePaths.authRequest)).toHaveLength(2);
  });
});
