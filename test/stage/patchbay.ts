// Devices that run our own programs, with the same files that Mender's would have.
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { data } from './mender.ts';
import { Program } from './program.ts';
import { launcher } from './server.ts';

/** Starts `patchbay client daemon` on a folder laid by `layDevice`. */
export function startClient(folder: string, busAddress: string): Program {
  const places = ['--conf-dir', join(folder, 'etc', 'mender'), '--datastore', data(folder)];
  const args = [launcher, 'client', ...places, '--data-dir', join(folder, 'usr', 'share', 'mender'), 'daemon'];
  return new Program('patchbay client', process.execPath, args, {
    ...process.env,
    DBUS_SYSTEM_BUS_ADDRESS: busAddress,
  });
}

/** Starts `patchbay connect daemon` with a shell of the user who runs the tests. */
export async function startConnect(folder: string, busAddress: string): Promise<Program> {
  const config = join(folder, 'patchbay-connect.conf');
  await writeFile(
    config,
    JSON.stringify({ ShellCommand: '/bin/bash', ShellArguments: ['--norc'], User: userInfo().username }),
  );
  const args = [launcher, 'connect', '--config', config, '--fallback-config', join(folder, 'none.conf'), 'daemon'];
  return new Program('patchbay connect', process.execPath, args, {
    ...process.env,
    DBUS_SYSTEM_BUS_ADDRESS: busAddress,
  });
}
