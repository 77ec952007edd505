// Settings on their whole way: from an operator over the server to two devices, one with our client and one with Mender's
// own, both with our update module, and back.
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device } from '#proto/http/devices';
import { describePeers } from './peers.ts';
import { startBus } from './stage/bus.ts';
import { layConfigure } from './stage/configure.ts';
import { layDevice, startMender } from './stage/mender.ts';
import { Operator } from './stage/operator.ts';
import { startClient } from './stage/patchbay.ts';
import { eventually, type Program } from './stage/program.ts';
import { startServer, type Server } from './stage/server.ts';

interface View {
  readonly state: string;
  readonly reported: Record<string, string>;
  readonly effective: { key: string; value: string; origin: { kind: string; name: string } }[];
  readonly deployment_id: string;
}
interface Site {
  readonly name: 'ours' | 'mender';
  readonly folder: string;
  device: Device;
}

const base = '/v1/patchbay/configuration';

await describePeers('settings of a group', ['mender-client'], () => {
  let folder: string;
  let server: Server;
  let operator: Operator;
  const programs: Program[] = [];
  const sites: Site[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-settings-'));
    server = await startServer(folder);
    operator = await Operator.login(server.url, server.user, server.password);
    await Promise.all(
      (['ours', 'mender'] as const).map(async (name, at) => {
        const place = join(folder, name);
        await mkdir(place);
        const bus = await startBus(place);
        programs.push(bus);
        const mac = `02:00:00:00:c0:0${at}`;
        await layDevice({ folder: place, mac, type: 'bench', serverUrl: server.url });
        const env = await layConfigure(place);
        programs.push(
          name === 'ours' ? startClient(place, bus.address, env) : await startMender(place, bus.address, env),
        );
        await operator.accept(await operator.device(mac, 'pending', 120_000));
        sites.push({ name, folder: place, device: await operator.device(mac, 'accepted') });
      }),
    );
    await operator.request(
      'PATCH',
      '/v1/inventory/groups/hall/devices',
      sites.map(({ device }) => device.id),
    );
  }, 180_000);

  afterAll(async () => {
    for (const program of programs.toReversed()) await program.stop();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const view = (site: Site) => operator.get<View>(`${base}/devices/${site.device.id}`);
  const until = (site: Site, state: string) =>
    eventually(
      `the settings of ${site.name} are ${state}`,
      async () => {
        const found = await view(site);
        return found.state === state && found;
      },
      60_000,
    );
  const zone = (site: Site) => readFile(join(site.folder, 'etc', 'timezone'), 'utf8');

  it('reach two devices, ours and one with Mender’s client, are applied and reported back (CFG-6, CFG-16, CFG-22)', async () => {
    await operator.request('PATCH', `${base}/groups/hall`, { set: { timezone: 'Europe/Berlin' } });
    await operator.request('POST', `${base}/groups/hall/deploy`);
    await Promise.all(
      sites.map(async (site) => {
        const { reported, effective } = await until(site, 'current');
        expect(reported).toEqual({ timezone: 'Europe/Berlin' });
        expect(effective).toMatchObject([{ key: 'timezone', origin: { kind: 'group', name: 'hall' } }]);
        expect(await zone(site)).toBe('Europe/Berlin\n');
      }),
    );
  }, 240_000);

  it('that a device cannot apply are rolled back there, and say which script failed and what it printed (CFG-9, CFG-17)', async () => {
    await operator.request('PATCH', `${base}/groups/hall`, { set: { timezone: 'Mars/Olympus' } });
    await operator.request('POST', `${base}/groups/hall/deploy`);
    await Promise.all(
      sites.map(async (site) => {
        const { deployment_id: deployment } = await until(site, 'failed');
        const log = await eventually('the log has arrived', async () => {
          const text = await operator.log(deployment, site.device.id).catch(() => '');
          return text.includes('timezone failed with exit code 1') && text;
        });
        expect(log).toContain("timezone: unknown time zone 'Mars/Olympus'");
        expect(log).toContain('the settings before are restored');
        expect(await zone(site)).toBe('Europe/Berlin\n');
        expect(
          JSON.parse(await readFile(join(site.folder, 'var/lib/mender-configure/device-config.json'), 'utf8')),
        ).toEqual({
          timezone: 'Europe/Berlin',
        });
        expect((await view(site)).reported).toEqual({ timezone: 'Europe/Berlin' });
      }),
    );
  }, 240_000);

  it('go back to what they were in one step, and nothing need be sent then', async () => {
    await operator.request('POST', `${base}/groups/hall/revert`, { revision: 1 });
    for (const site of sites) expect((await view(site)).state).toBe('current');
    const sent = await operator.request('POST', `${base}/groups/hall/deploy`);
    expect(await sent.json()).toEqual({ sent: [], unchanged: 2 });
  });
});
