// Devices that run our own programs, with the same files that Mender's would have.
import { writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { data } from './mender.ts';
import { Program } from './program.ts';
import { launcher } from './server.ts';

/** Starts `patchbay client daemon` on a folder laid by `layDevice`. */
export function startClient(folder: string, busAddress: string, more: NodeJS.ProcessEnv = {}): Program {
  return start('patchbay client', [launcher, 'client', ...places(folder), 'daemon'], busAddress, more);
}

/** Starts `patchbay connect daemon` with a shell of the user who runs the tests. */
export async function startConnect(
  folder: string,
  busAddress: string,
  settings: Readonly<Record<string, unknown>> = {},
): Promise<Program> {
  const files = ['--config', await connectConfig(folder, settings), '--fallback-config', join(folder, 'none.conf')];
  return start('patchbay connect', [launcher, 'connect', ...files, 'daemon'], busAddress);
}

/** Starts a built program of a device as it ships: by its launcher, on the Node that is named. */
export async function startBuilt(
  program: 'client' | 'connect' | 'device',
  { built, node }: { readonly built: string; readonly node: string },
  folder: string,
  busAddress: string,
): Promise<Program> {
  const config = await connectConfig(folder);
  const args = {
    client: [...places(folder), 'daemon'],
    connect: ['--config', config, '--fallback-config', join(folder, 'none.conf'), 'daemon'],
    device: ['daemon', ...places(folder), '--connect-config', config],
  }[program];
  const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: busAddress, PATCHBAY_NODE: node };
  return new Program(`patchbay ${program}`, join(built, 'patchbay-device'), [program, ...args], env);
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
    // Nothing of the machine's own is read or written.
    Monitor: {
      ConfigFolder: join(folder, 'etc', 'mender-monitor'),
      ScriptFolder: join(folder, 'etc', 'mender-monitor', 'scripts'),
      LibraryFolder: join(folder, 'usr', 'share', 'mender-monitor'),
      StateFolder: join(folder, 'var', 'lib', 'mender-monitor'),
    },
    ...settings,
  };
  await writeFile(config, JSON.stringify(shell));
  return config;
}

function start(name: string, args: readonly string[], busAddress: string, more: NodeJS.ProcessEnv = {}): Program {
  return new Program(name, process.execPath, args, { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: busAddress, ...more });
}
