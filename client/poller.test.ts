import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { devicePaths } from '#proto/http/device';
import type { Nudges } from './nudges.ts';
import { paths } from './places.ts';
import { makeArtifact } from './rig/artifact.ts';
import type { RigDevice } from './rig/device.ts';
import type { RigLog } from './rig/log.ts';
import { isPoll, RigRun } from './rig/run.ts';
import { ScriptedServer, type Call } from './rig/server.ts';

let rig: RigRun;
let server: ScriptedServer;
let device: RigDevice;
let log: RigLog;
let nudges: Nudges;
beforeEach(async () => {
  rig = await RigRun.open({ 'rootfs-image.version': '7' });
  ({ server, device, log, nudges } = rig);
});
afterEach(() => rig[Symbol.asyncDispose]());

const settings = (value: Readonly<Record<string, unknown>>) =>
  device.write(
    paths.config(device.places),
    JSON.stringify({
      ServerURL: server.url,
      UpdatePollIntervalSeconds: 9e5,
      InventoryPollIntervalSeconds: 9e5,
      ...value,
    }),
  );
const start = () => rig.start();
const isInventory = (call: Call) => call.path === devicePaths.attributes;
const count = (wanted: (call: Call) => boolean) => rig.count(wanted);
const until = (wanted: (call: Call) => boolean, times: number) => rig.until(wanted, times);

describe('the poll', () => {
  it('UC-19 carries device type, name and all provides, after the inventory', async () => {
    start();
    const call = await server.called(isPoll);
    expect(call.method).toBe('POST');
    expect(JSON.parse(call.body)).toEqual({
      device_provides: { device_type: 'rig', artifact_name: 'release-1', 'rootfs-image.version': '7' },
    });
    expect(server.calls.findIndex(isInventory)).toBeLessThan(server.calls.findIndex(isPoll));
  });

  it('UC-18 a server without v2 is asked by v1, values encoded', async () => {
    device.installed('a&b c');
    server.override = (call) => (call.path === devicePaths.nextV2 ? { status: 404 } : undefined);
    start();
    const call = await server.called((each) => each.method === 'GET' && isPoll(each));
    expect(call.path).toBe(`${devicePaths.nextV1}?artifact_name=a%26b+c&device_type=rig`);
  });

  it('UC-16 is repeated after an error, and again at its time after a success', async () => {
    settings({ RetryPollIntervalSeconds: 1 });
    server.override = (call) => (isPoll(call) && count(isPoll) <= 3 ? { status: 500 } : undefined);
    start();
    await until(isPoll, 4);
    expect(log.lines.filter(({ event }) => event === 'poll failed')).toHaveLength(3);
  });

  it('UC-17 Retry-After decides when', async () => {
    settings({ RetryPollIntervalSeconds: 90_000 });
    server.override = (call) =>
      isPoll(call) && count(isPoll) === 1 ? { status: 429, headers: { 'Retry-After': '1' } } : undefined;
    start();
    await until(isPoll, 2);
    // A second is 10 ms here; the back-off would have taken 0.6 s.
    expect(log.lines.find(({ event }) => event === 'poll failed')?.fields['retry_s']).toBe(0);
  });

  it('UC-17 Retry-After decides when for the inventory too', async () => {
    settings({ RetryPollIntervalSeconds: 90_000 });
    server.override = (call) =>
      isInventory(call) && count(isInventory) === 1 ? { status: 429, headers: { 'Retry-After': '1' } } : undefined;
    start();
    await until(isInventory, 2);
    expect(server.inventories).toHaveLength(1);
    expect(log.lines.find(({ event }) => event === 'inventory failed')?.fields['retry_s']).toBe(0);
  });

  it.each([
    ['no JSON', 'hello'],
    ['no address', JSON.stringify({ id: 'd', artifact: { source: {} } })],
    ['an address that is no http', JSON.stringify({ id: 'd', artifact: { source: { uri: 'file:///etc/passwd' } } })],
    ['no id', JSON.stringify({ artifact: { source: { uri: 'http://x' } } })],
  ])('UC-32 a deployment with %s: Sync_Error, no report', async (_, body) => {
    device.rootScripts(['Sync_Error']);
    server.override = (call) => (isPoll(call) && count(isPoll) === 1 ? { status: 200, body } : undefined);
    start();
    await until(isPoll, 2);
    expect(device.calls()).toEqual(['Sync_Error']);
    expect(server.reports).toEqual([]);
  });

  it('UC-4 a device type file with two lines: no poll, the fault in the log, daemon alive', async () => {
    device.write(paths.deviceType(device.places), 'device_type=a\ndevice_type=b\n');
    start();
    const line = await log.until('poll failed');
    expect(line.fields['error']).toContain('must hold one line device_type=VALUE');
    expect(count(isPoll)).toBe(0);
    device.write(paths.deviceType(device.places), 'device_type=rig\n');
    await server.called(isPoll);
  });

  it('UC-54 an error in Sync_Enter: Sync_Error and no poll; in Idle scripts: ignored', async () => {
    device.rootScripts(['Idle_Enter', 'Idle_Leave', 'Sync_Enter', 'Sync_Error'], {
      fails: ['Idle_Enter', 'Idle_Leave', 'Sync_Enter'],
    });
    start();
    await log.until('poll failed');
    expect(device.calls().slice(0, 4)).toEqual(['Idle_Enter', 'Idle_Leave', 'Sync_Enter', 'Sync_Error']);
    expect(count(isPoll)).toBe(0);
  });

  it('UC-54 an error in Sync_Leave drops the deployment silently; it is offered again', async () => {
    device.rootScripts(['Sync_Leave', 'Sync_Error'], { fails: ['Sync_Leave'] });
    server.deployment = { id: 'd1', artifact: makeArtifact() };
    start();
    await until(isPoll, 2);
    expect(server.reports).toEqual([]);
  });

  it('UC-20 a wish during a deployment waits for its end', async () => {
    device.module({
      extra: `[ "$1" != ArtifactInstall ] || { touch '${device.root}/in'; while [ ! -e '${device.root}/go' ]; do sleep 0.05; done; }`,
    });
    server.deployment = { id: 'd1', artifact: makeArtifact() };
    start();
    await server.called((call) => call.path.endsWith('/status') && call.body.includes('installing'));
    const before = count(isPoll);
    nudges.check();
    expect(count(isPoll)).toBe(before);
    writeFileSync(join(device.root, 'go'), '');
    await server.ended();
    await until(isPoll, before + 1);
    expect(server.reports.at(-1)).toBe('success');
  });

  it('UC-31 a restart right after a success: no module call, no report', async () => {
    server.deployment = { id: 'd1', artifact: makeArtifact() };
    start();
    await log.until('deployment closed');
    await rig.stop();
    const [calls, reports, polls] = [device.calls().length, server.reports.length, count(isPoll)];
    start();
    await until(isPoll, polls + 1);
    expect([device.calls().length, server.reports.length]).toEqual([calls, reports]);
  });

  it('waits while a standalone update is pending', async () => {
    device.journal.write((record) => ({
      ...record,
      standalone: {
        Version: 2,
        ArtifactName: 'x',
        ArtifactGroup: '',
        PayloadTypes: ['recorder'],
        InState: 'Before_ArtifactCommit_Enter',
        Failed: false,
        RolledBack: false,
      },
    }));
    start();
    await log.until('no poll: a standalone update waits for commit or rollback');
    expect(count(isPoll)).toBe(0);
  });
});

describe('the inventory', () => {
  const script = (name: string, body: string) =>
    device.write(join(paths.inventory(device.places), name), `#!/bin/sh\n${body}\n`, 0o755);

  it('UC-22 UC-23 one failing script costs its own attributes only; the same key makes a list', async () => {
    script('mender-inventory-a', 'echo if=eth0');
    script('mender-inventory-b', 'echo if=eth1; echo os=x');
    script('mender-inventory-c', 'echo lost=1; exit 1');
    script('mender-inventory-d', 'echo lost=1; echo no equals sign');
    script('other', 'echo never=1');
    start();
    await server.called(isInventory);
    expect(server.inventories[0]).toEqual([
      { name: 'artifact_name', value: 'release-1' },
      { name: 'device_type', value: 'rig' },
      { name: 'if', value: ['eth0', 'eth1'] },
      { name: 'mender_client_version', value: '0.1.0' },
      { name: 'mender_client_version_provider', value: 'internal' },
      { name: 'os', value: 'x' },
      { name: 'rootfs-image.version', value: '7' },
    ]);
  });

  it('UC-22 all scripts fail: nothing is sent', async () => {
    script('mender-inventory-a', 'exit 1');
    start();
    await log.until('inventory failed');
    expect(server.inventories).toEqual([]);
  });

  it('UC-21 unchanged: not sent again; with a new token: sent', async () => {
    start();
    await server.called(isPoll);
    nudges.inventory();
    nudges.check();
    await until(isPoll, 2);
    expect(count(isInventory)).toBe(1);
    server.token = 'token-2';
    nudges.check();
    await until((call) => isPoll(call) && call.headers.authorization === 'Bearer token-2', 1);
    nudges.inventory();
    await until(isInventory, 2);
  });

  it('UC-24 goes out after a deployment, good or bad', async () => {
    script('mender-inventory-a', `echo n=$(grep -c . '${device.callLog}')`);
    server.deployment = { id: 'd1', artifact: makeArtifact({ type: 'missing' }) };
    start();
    await server.ended();
    const before = count(isInventory);
    device.installed('other');
    await until(isInventory, before + 1);
  });
});

describe('the start', () => {
  it('UC-30 a bootstrap artifact names the device once, and is gone', async () => {
    device.write(paths.journal(device.places), JSON.stringify({ version: 1, provides: {} }));
    const bootstrap = makeArtifact({ type: null, name: 'flashed', provides: { a: '1' } });
    device.write(paths.bootstrap(device.places), bootstrap);
    start();
    await server.called(isPoll);
    expect(device.record()).toMatchObject({ artifactName: 'flashed', provides: { a: '1' } });
    expect(existsSync(paths.bootstrap(device.places))).toBe(false);
  });

  it('UC-30 with a name already, or defective: gone as well, name as it was', async () => {
    device.write(paths.bootstrap(device.places), 'no artifact');
    start();
    await server.called(isPoll);
    expect(device.record().artifactName).toBe('release-1');
    expect(existsSync(paths.bootstrap(device.places))).toBe(false);
  });

  it('UC-30 without a name, and with a defective one: gone as well, name unknown', async () => {
    device.write(paths.journal(device.places), JSON.stringify({ version: 1, provides: {} }));
    device.write(paths.bootstrap(device.places), 'no artifact');
    start();
    const call = await server.called(isPoll);
    expect(JSON.parse(call.body)).toMatchObject({ device_provides: { artifact_name: 'unknown' } });
    expect(existsSync(paths.bootstrap(device.places))).toBe(false);
  });

  it('UC-77 a damaged store is set aside, the device is unknown, and goes on', async () => {
    device.write(paths.journal(device.places), '{"version":1,"prov');
    start();
    const call = await server.called(isPoll);
    expect(JSON.parse(call.body)).toMatchObject({ device_provides: { artifact_name: 'unknown' } });
    expect(readFileSync(`${paths.journal(device.places)}-broken`, 'utf8')).toBe('{"version":1,"prov');
  });

  it('UC-9 one server is down, one rejects, the third accepts and is used; a fetch starts with the first', async () => {
    const second = await ScriptedServer.open();
    second.accepted = false;
    const down = await ScriptedServer.open();
    const downUrl = down.url;
    down.close();
    device.write(
      paths.config(device.places),
      JSON.stringify({
        Servers: [downUrl, second.url, server.url].map((ServerURL) => ({ ServerURL })),
        UpdatePollIntervalSeconds: 9e5,
      }),
    );
    start();
    await server.called(isPoll);
    second.accepted = true;
    server.token = 'token-2';
    nudges.check();
    await second.called(isPoll);
    expect(second.calls.map((call) => call.path)).toContain(devicePaths.nextV2);
    second.close();
  });

  it('UC-78 a deployment stored by another client of the family is carried on', async () => {
    device.module({});
    const tree = paths.tree(device.places);
    device.write(join(tree, 'version'), '3\n');
    const artifact = {
      artifact_name: 'release-2',
      artifact_group: '',
      artifact_provides: { x: '1' },
      clears_artifact_provides: [],
      device_types_compatible: ['rig'],
      PayloadTypes: ['recorder'],
      Source: { URI: 'http://x', Expire: '' },
    };
    device.journal.write((record) => ({
      ...record,
      deployment: {
        Version: 2,
        Name: 'reboot',
        UpdateInfo: {
          ID: 'd1',
          Artifact: artifact,
          RebootRequested: ['reboot-type-custom'],
          SupportsRollback: 'rollback-supported',
          StateDataStoreCount: 4,
          HasDBSchemaUpdate: false,
          AllRollbacksSuccessful: false,
        },
      },
    }));
    start();
    await log.until('deployment closed');
    expect(device.calls()).toEqual(['ArtifactVerifyReboot', 'ArtifactCommit', 'Cleanup']);
    expect(server.reports).toEqual(['installing', 'success']);
    expect(device.record().artifactName).toBe('release-2');
  });
});
