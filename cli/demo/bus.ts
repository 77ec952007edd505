import { access, constants, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { failed } from '../failure.ts';
import type { Processes } from './processes.ts';

/** What a Unix socket's address can hold, bytes (`sun_path` less its end). */
const pathLimit = 107;

/** Throws with how to get it, if there is no dbus-daemon. */
export async function findBusDaemon(path: string): Promise<string> {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, 'dbus-daemon');
    if (
      folder &&
      (await access(file, constants.X_OK).then(
        () => true,
        () => false,
      ))
    )
      return file;
  }
  throw failed(
    'dbus-daemon is missing, over which the programs of a device find one another: ' +
      "install it, on Debian and Ubuntu by 'apt-get install dbus-daemon', on Fedora by 'dnf install dbus-daemon'",
  );
}

/** A system bus of one device's own; resolves to its address when it takes connections. */
export async function startBus(name: string, daemon: string, folder: string, processes: Processes): Promise<string> {
  const socket = join(folder, 'bus');
  if (Buffer.byteLength(socket) > pathLimit)
    throw failed(`${folder} is too long a path for a socket: choose a shorter one`);
  const config = join(folder, 'bus.conf');
  await writeFile(config, busConfig(socket));
  const bus = await processes.start(name, daemon, [`--config-file=${config}`, '--nofork', '--nopidfile'], {
    cwd: folder,
    env: {},
  });
  while (!(await takesConnections(socket))) {
    if (!bus.running) throw failed(`${name} does not start: ${await bus.tail(3)}`);
    await sleep(10);
  }
  return `unix:path=${socket}`;
}

const busConfig = (socket: string) => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
  "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <listen>unix:path=${socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
`;

async function takesConnections(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect(path, () => resolve(true)).once('error', () => resolve(false));
  return await promise.finally(() => socket.destroy());
}
