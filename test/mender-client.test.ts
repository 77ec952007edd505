// Mender's own update client, 3.4 as Debian ships it, against our server.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device, InventoryDevice } from '#proto/http/devices';
import { describePeers } from './peers.ts';
import { singleFile, withScript } from './stage/artifacts.ts';
import { startBus } from './stage/bus.ts';
import { layDevice, startMender } from './stage/mender.ts';
import { Operator } from './stage/operator.ts';
import { eventually, type Program } from './stage/program.ts';
import { startServer, type Server } from './stage/server.ts';

const mac = '02:00:00:00:34:01';

await describePeers('mender-client 3.4', ['mender-client', 'mender-artifact'], () => {
  let folder: string;
  let server: Server;
  let operator: Operator;
  let bus: Program & { address: string };
  let mender: Program;
  let device: Device;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-mender-client-'));
    server = await startServer(folder);
    operator = await Operator.login(server.url, server.user, server.password);
    bus = await startBus(folder);
    await layDevice({ folder, mac, type: 'bench', serverUrl: server.url });
    mender = await startMender(folder, bus.address);
  });

  afterAll(async () => {
    await mender?.stop();
    await bus?.stop();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('asks to be let in, and is pending until somebody accepts it', async () => {
    const pending = await operator.device(mac, 'pending');
    expect(pending.auth_sets).toHaveLength(1);
    await operator.accept(pending);
    device = await operator.device(mac, 'accepted');
    expect(device.id).toBe(pending.id);
    await mender.said(/successfully received new authorization data/);
  });

  it('shows its inventory, what it was told and what it found out', async () => {
    const attributes = await eventually('inventory', async () => {
      const found = await operator.get<InventoryDevice>(`/v1/inventory/devices/${device.id}`);
      return found.attributes.some(({ name }) => name === 'hostname') && found.attributes;
    });
    const value = (name: string) => attributes.find((each) => each.name === name && each.scope === 'inventory')?.value;
    expect(value('hostname')).toBe('bench-1');
    expect(value('device_type')).toBe('bench');
    expect(value('artifact_name')).toBe('factory');
    expect(value('colour')).toEqual(['red', 'blue']);
    expect(value('mender_client_version')).toMatch(/^3\.4\.0/);
  });

  it('installs an artifact that mender-artifact made and reports success', async () => {
    const target = join(folder, 'target');
    const artifact = await singleFile(folder, { name: 'release-1', type: 'bench', target, content: 'patched\n' });
    await operator.upload(artifact);
    const deployment = await operator.deploy('release-1', device.id);
    const part = await operator.part(deployment, device.id, 'success', 'failure', 'noartifact');
    expect(part.status, mender.tail()).toBe('success');
    expect(await readFile(join(target, 'motd'), 'utf8')).toBe('patched\n');
    await eventually('the deployment is finished', async () => {
      const { status } = await operator.get<{ status: string }>(`/v1/deployments/deployments/${deployment}`);
      return status === 'finished';
    });
  });

  it('says in its inventory which release it has since', async () => {
    await eventually('artifact_name is release-1', async () => {
      const found = await operator.get<InventoryDevice>(`/v1/inventory/devices/${device.id}`);
      return found.attributes.some(({ name, value }) => name === 'artifact_name' && value === 'release-1');
    });
  });

  it('reports failure with its log when an artifact fails to install', async () => {
    const artifact = await withScript(folder, {
      name: 'release-2',
      type: 'bench',
      script: '#!/bin/sh\necho the valve is stuck >&2\nexit 7\n',
    });
    await operator.upload(artifact);
    const deployment = await operator.deploy('release-2', device.id);
    const part = await operator.part(deployment, device.id, 'success', 'failure', 'noartifact');
    expect(part.status, mender.tail()).toBe('failure');
    await eventually('the log has arrived', async () => {
      const log = await operator.log(deployment, device.id);
      return log.includes('the valve is stuck');
    });
  });

  it('is told that there is nothing for it when no artifact fits its type', async () => {
    const artifact = await singleFile(folder, {
      name: 'release-3',
      type: 'another-board',
      target: join(folder, 'target'),
      content: 'not for you\n',
    });
    await operator.upload(artifact);
    const deployment = await operator.deploy('release-3', device.id);
    expect((await operator.part(deployment, device.id, 'success', 'failure', 'noartifact')).status).toBe('noartifact');
  });

  it('is shut out again once it is decommissioned, and comes back as pending', async () => {
    await operator.request('DELETE', `/v2/devauth/devices/${device.id}`);
    const again = await operator.device(mac, 'pending', 60_000);
    expect(again.id).not.toBe(device.id);
  });
});
