// Devices that run our own programs, with the same files that Mender's would have.
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { data } from './mender.ts';
import { Program } from './program.ts';
import { launcher } from './server.ts';

/** Starts `patchbay client daemon` on a folder laid by `layDevice`; `bundle`: that file in place of the launcher. */
export function startClient(folder: string, busAddress: string, bundle?: string): Program {
  const program = bundle === undefined ? [launcher, 'client'] : [bundle];
  return start('patchbay client', [...program, ...places(folder), 'daemon'], busAddress);
}

/** Starts `patchbay connect daemon` with a shell of the user who runs the tests. */
export async function startConnect(
  folder: string,
  busAddress: string,
  bundle?: string,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<Program> {
  const program = bundle === undefined ? [launcher, 'connect'] : [bundle];
  const files = ['--config', await connectConfig(folder, settings), '--fallback-config', join(folder, 'none.conf')];
  return start('patchbay connect', [...program, ...files, 'daemon'], busAddress);
}

/** Starts `patchbay device daemon`: both in one process. */
export async function startDevice(folder: string, busAddress: string, bundle?: string): Promise<Program> {
  const program = bundle === undefined ? [launcher, 'device'] : [bundle];
  const connect = ['--connect-config', await connectConfig(folder)];
  return start('patchbay device', [...program, 'daemon', ...places(folder), ...connect], busAddress);
}

const places = (folder: string): string[] => [
  '--conf-dir',
  join(folder, 'etc', 'mender'),
  '--datastore',
  data(folder),
  '--data-dir',
  join(folder, 'usr', 'share', 'mender'),
];

async function connectConfig(folder: string, settings: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const config = join(folder, 'patchbay-connect.conf');
  const shell = {
    ShellCommand: '/bin/bash',
    ShellArguments: ['--norc'],
    User: userInfo().username,
    MenderClient: { PidFile: join(data(folder), 'patchbay-client.pid') },
    ...settings,
  };
  await writeFile(config, JSON.stringify(shell));
  return config;
}

function start(name: string, args: readonly string[], busAddress: string): Program {
  return new Program(name, process.execPath, args, { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: busAddress });
}
