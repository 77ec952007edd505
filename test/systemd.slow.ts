// A device as it is delivered: our Debian package on a Debian of its own, run by systemd, with the policies of D-Bus that
// ship. The server is outside.
import { mkdtemp, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Device } from '#proto/http/devices';
import { singleFile } from './stage/artifacts.ts';
import { installPackage, makeDeb } from './stage/deb.ts';
import { Operator } from './stage/operator.ts';
import { eventually } from './stage/program.ts';
import { startServer, type Server } from './stage/server.ts';
import { Shell } from './stage/shell.ts';
import { describeSystemd, SystemdDevice } from './stage/systemd.ts';

const mac = '02:00:00:00:5d:01';
const services = ['patchbay-client', 'patchbay-connect'];

await describeSystemd('the package on a Debian with systemd', () => {
  let folder: string;
  let server: Server;
  let operator: Operator;
  let machine: SystemdDevice;
  let device: Device;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-packaged-'));
    const [deb, started] = await Promise.all([makeDeb(folder), startServer(folder)]);
    server = started;
    operator = await Operator.login(server.url, server.user, server.password);
    machine = await SystemdDevice.boot();
    await machine.reaches(server.url);
    await installPackage(machine, deb, server.url, mac);
  }, 300_000);

  afterAll(async () => {
    await machine?.[Symbol.asyncDispose]();
    await server?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('starts nothing by being installed', async () => {
    for (const service of services) {
      expect(await machine.property(service, 'LoadState')).toBe('loaded');
      expect(await machine.property(service, 'ActiveState')).toBe('inactive');
    }
  });

  it('its policies name a group that the bus knows when it reads them', async () => {
    expect(await machine.succeed('getent', 'group', 'patchbay')).toMatch(/^patchbay:/);
    expect(await machine.journal('dbus')).not.toMatch(/unknown group/i);
  });

  it('once enabled asks to be accepted, and connects: client and Connect meet on the system bus', async () => {
    await machine.succeed('systemctl', 'enable', '--now', '--quiet', ...services);
    for (const service of services) await machine.active(service);
    device = await operator.welcome(mac);
    await operator.connected(device.id);
    using shell = await Shell.open(operator, device.id);
    shell.type('cat /proc/1/comm\n');
    await shell.shows(/^systemd/m);
    await shell.stop();
  });

  it('UC-11 gives its token to nobody but root, and its state to everybody', async () => {
    const ask = async (user: string, name: string, path: string, ...call: string[]) =>
      await machine.run('setpriv', [`--reuid=${user}`, '--clear-groups', 'busctl', 'call', name, path, ...call]);
    const token = ['io.mender.AuthenticationManager', '/io/mender/AuthenticationManager'] as const;
    const call = ['io.mender.Authentication1', 'GetJwtToken'];
    expect((await ask('root', ...token, ...call)).out).toMatch(/^ss "eyJ/);
    const refused = await ask('nobody', ...token, ...call);
    expect(refused).toMatchObject({ code: 1, out: '' });
    expect(refused.err).toMatch(/denied|not authorized/i);
    const state = ['org.freedesktop.DBus.Properties', 'Get', 'ss', 'io.patchbay.Update1', 'State'];
    const shown = await ask('nobody', 'io.patchbay.Client', '/io/patchbay/Client', ...state);
    expect(shown).toMatchObject({ code: 0 });
    const defer = ['io.patchbay.Update1', 'Defer', 'u', '60'];
    expect((await ask('nobody', 'io.patchbay.Client', '/io/patchbay/Client', ...defer)).code).not.toBe(0);
  });

  it('a client that was stopped stays stopped, whatever Connect does; whoever else asks for a token starts it', async () => {
    const waits = async () =>
      (await machine.journal('patchbay-connect')).split('no update client runs, waiting for one').length;
    const before = await waits();
    await machine.succeed('systemctl', 'stop', 'patchbay-client');
    // Its line has gone through the client: it asks for another token.
    await eventually('Connect waits', async () => (await waits()) > before, 60_000);
    await machine.succeed('systemctl', 'restart', 'patchbay-connect');
    await eventually('another Connect waits', async () => (await waits()) > before + 1, 60_000);
    expect(await machine.property('patchbay-client', 'ActiveState')).toBe('inactive');
    const token = ['io.mender.AuthenticationManager', '/io/mender/AuthenticationManager'];
    // The name is taken before the token is there again.
    await machine.succeed('busctl', 'call', ...token, 'io.mender.Authentication1', 'GetJwtToken');
    expect(await machine.property('patchbay-client', 'ActiveState')).toBe('active');
    await operator.connected(device.id);
  });

  it('installs an update, and its journal tells', async () => {
    const label = { name: 'motd-1', type: 'bench', target: '/etc', content: 'hello\n' };
    await operator.upload(await singleFile(folder, label));
    const deployment = await operator.deploy('motd-1', device.id);
    await operator.part(deployment, device.id, 'success');
    expect(await machine.succeed('cat', '/etc/motd')).toBe('hello\n');
    expect(await machine.succeed('patchbay-device', 'client', 'show-artifact')).toBe('motd-1\n');
    expect(await machine.journal('patchbay-client')).toContain('motd-1');
  });

  it('is there again after its daemons were restarted, the bus among them', async () => {
    const pid = await machine.property('patchbay-client', 'MainPID');
    await machine.succeed('systemctl', 'restart', ...services);
    expect(await machine.property('patchbay-client', 'MainPID')).not.toBe(pid);
    await eventually('a new shell opens', shellOpens, 60_000);
    await machine.succeed('systemctl', 'restart', 'dbus');
    await eventually(
      'the client has its name again',
      async () => (await machine.run('busctl', ['--no-pager', 'status', 'io.patchbay.Client'])).code === 0,
      60_000,
    );
    await operator.connected(device.id);
    await operator.upload(
      await singleFile(folder, { name: 'motd-2', type: 'bench', target: '/etc', content: 'two\n' }),
    );
    await operator.part(await operator.deploy('motd-2', device.id), device.id, 'success');
    async function shellOpens() {
      using shell = await Shell.open(operator, device.id);
      shell.type('echo "it is $((6 * 7))"\n');
      await shell.shows(/it is 42/);
      await shell.stop();
      return true;
    }
  });

  it('ended by a signal, a daemon is started again', async () => {
    await machine.active('patchbay-client');
    const pid = await machine.property('patchbay-client', 'MainPID');
    await machine.succeed('systemctl', 'kill', '--signal=KILL', 'patchbay-client');
    await eventually('another client runs', async () => {
      const now = await machine.property('patchbay-client', 'MainPID');
      return now !== '0' && now !== pid;
    });
  });

  it('removed, it leaves neither processes nor files of its own; its key stays until it is purged', async () => {
    await machine.succeed('dpkg', '--remove', 'patchbay-device');
    expect(await machine.succeed('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'patchbay*')).toBe('');
    expect((await machine.run('pgrep', ['-f', '/usr/lib/patchbay'])).out).toBe('');
    for (const gone of ['/usr/bin/patchbay-device', '/usr/lib/patchbay', '/lib/systemd/system/patchbay-client.service'])
      expect(existsSync(machine.path(gone)), gone).toBe(false);
    const links = await machine.succeed('find', '/etc/systemd', '-name', '*patchbay*', '-o', '-name', '*mender*');
    expect(links).toBe('');
    expect(existsSync(machine.path('/var/lib/mender/mender-agent.pem'))).toBe(true);
    await machine.succeed('dpkg', '--purge', 'patchbay-device');
    expect(existsSync(machine.path('/var/lib/mender'))).toBe(false);
    expect(await machine.succeed('cat', '/etc/group')).not.toContain('patchbay');
  });
});
