import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runClient } from '../daemon.ts';
import { RigDevice } from '../rig/device.ts';
import { RigLog } from '../rig/log.ts';
import { ScriptedServer } from '../rig/server.ts';
import { describeWhere, rootMissing } from '#base/where.testing';

const run = promisify(execFile);
const policies = join(import.meta.dirname, '..', '..', 'packaging', 'dbus');
const nobody = 65534;
/** Stands in for the group patchbay, which a machine has once the package is installed there. */
const daemonGroup = 1;

// Only root can become somebody else.
describeWhere('the D-Bus policies that ship, on a bus that allows nothing else', rootMissing(), () => {
  let device: RigDevice;
  let server: ScriptedServer;
  let address: string;
  const stop = new AbortController();
  const ends: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    device = new RigDevice({});
    chmodSync(device.root, 0o755);
    server = await ScriptedServer.open();
    device.write(join(device.places.conf, 'mender.conf'), JSON.stringify({ ServerURL: server.url }));
    address = `unix:path=${join(device.root, 'system-bus')}`;
    mkdirSync(join(device.root, 'system.d'));
    cpSync(policies, join(device.root, 'system.d'), {
      recursive: true,
      filter: (file) => !/\.(xml|service)$/.test(file),
    });
    const client = join(device.root, 'system.d', 'io.patchbay.Client.conf');
    await run('sed', ['-i', `s/group="patchbay"/group="${daemonGroup}"/`, client]);
    writeFileSync(
      join(device.root, 'bus.conf'),
      `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>${address}</listen><auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><deny own="*"/><deny send_type="method_call"/>
    <allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
    <allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <includedir>${join(device.root, 'system.d')}</includedir>
</busconfig>`,
    );
    const bus = spawn(
      'dbus-daemon',
      [`--config-file=${join(device.root, 'bus.conf')}`, '--nofork', '--print-address'],
      {
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    );
    await once(createInterface(bus.stdout), 'line');
    process.env['DBUS_SYSTEM_BUS_ADDRESS'] = address;
    const log = new RigLog();
    const client_ = runClient(device.options(log), stop.signal);
    ends.push(async () => {
      stop.abort();
      await client_;
      const gone = once(bus, 'exit');
      bus.kill();
      await gone;
      server.close();
      device[Symbol.dispose]();
    });
    for (const name of ['io.mender.AuthenticationManager', 'io.patchbay.Client'])
      await log.until('D-Bus service ready', name);
  });
  afterAll(async () => {
    for (const end of ends) await end();
  });

  /** A call by somebody; what came of it. */
  async function call(who: 'root' | 'nobody' | 'screen', to: string, path: string, ...rest: string[]): Promise<string> {
    const groups = who === 'screen' ? ['--groups', String(daemonGroup)] : ['--clear-groups'];
    const as = who === 'root' ? [] : ['setpriv', '--reuid', String(nobody), '--regid', String(nobody), ...groups];
    const [program = '', ...args] = [
      ...as,
      'dbus-send',
      '--print-reply',
      `--bus=${address}`,
      `--dest=${to}`,
      path,
      ...rest,
    ];
    return run(program, args).then(
      ({ stdout }) => stdout,
      (error: Error & { stderr: string }) => error.stderr,
    );
  }
  const token = (who: Parameters<typeof call>[0]) =>
    call(
      who,
      'io.mender.AuthenticationManager',
      '/io/mender/AuthenticationManager',
      'io.mender.Authentication1.GetJwtToken',
    );
  const state = (who: Parameters<typeof call>[0]) =>
    call(
      who,
      'io.patchbay.Client',
      '/io/patchbay/Client',
      'org.freedesktop.DBus.Properties.Get',
      'string:io.patchbay.Update1',
      'string:State',
    );
  const defer = (who: Parameters<typeof call>[0]) =>
    call(who, 'io.patchbay.Client', '/io/patchbay/Client', 'io.patchbay.Update1.Defer', 'uint32:5');

  it('UC-11 root gets the token, nobody else does', async () => {
    expect(await token('root')).toContain('method return');
    for (const who of ['nobody', 'screen'] as const) expect(await token(who)).toContain('AccessDenied');
  });

  it('everybody may look, the group patchbay may defer', async () => {
    for (const who of ['root', 'nobody', 'screen'] as const) expect(await state(who)).toContain('string "');
    expect(await defer('nobody')).toContain('AccessDenied');
    expect(await defer('screen')).toMatch(/uint32 \d{10}/);
    expect(await defer('root')).toMatch(/uint32 \d{10}/);
  });

  it('nobody else may take the names', async () => {
    const take = ['org.freedesktop.DBus.RequestName', 'string:io.patchbay.Client', 'uint32:3'];
    expect(await call('nobody', 'org.freedesktop.DBus', '/org/freedesktop/DBus', ...take)).toContain('AccessDenied');
  });
});
