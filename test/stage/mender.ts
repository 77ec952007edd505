// Devices that run Mender's own programs, each in a folder of its own.
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Places } from '../../client/places.ts';
import { peer, peerEnvironment } from '../peers.ts';
import { Program } from './program.ts';

export interface DeviceFiles {
  readonly folder: string;
  readonly mac: string;
  readonly type: string;
  readonly serverUrl: string;
  /** Seconds between two polls; 1 if it is not said. */
  readonly every?: number;
}

/** Lays out what a device has on its disk before its first boot, in the places below `folder` that a root would have. */
export async function layDevice({ folder, mac, type, serverUrl, every = 1 }: DeviceFiles): Promise<void> {
  const share = join(folder, 'usr', 'share', 'mender');
  for (const path of [join(share, 'identity'), join(share, 'inventory'), join(folder, 'etc', 'mender'), data(folder)]) {
    await mkdir(path, { recursive: true });
  }
  await script(join(share, 'identity', 'mender-device-identity'), `echo mac=${mac}`);
  await script(
    join(share, 'inventory', 'mender-inventory-bench'),
    'echo hostname=bench-1\necho colour=red\necho colour=blue',
  );
  await writeFile(join(folder, 'etc', 'mender', 'artifact_info'), 'artifact_name=factory\n');
  await writeFile(join(data(folder), 'device_type'), `device_type=${type}\n`);
  await writeFile(
    join(folder, 'etc', 'mender', 'mender.conf'),
    JSON.stringify({
      ServerURL: serverUrl,
      UpdatePollIntervalSeconds: every,
      InventoryPollIntervalSeconds: 5,
      RetryPollIntervalSeconds: every,
    }),
  );
}

export const data = (folder: string): string => join(folder, 'var', 'lib', 'mender');

/**
 * Starts `mender` 3.4. Its places are compiled in, so it gets a mount namespace in which the device's folder lies over
 * /usr/share and /etc; nobody else sees that.
 */
export async function startMender(folder: string, busAddress: string, more: NodeJS.ProcessEnv = {}): Promise<Program> {
  const root = await peer('mender-client');
  const over = (path: string, ...layers: string[]) =>
    `mount -t overlay -o lowerdir=${[join(folder, path), ...layers, `/${path}`].join(':')} overlay /${path}`;
  const mounts = `${over('usr/share', join(root, 'usr', 'share'))} && ${over('etc')} && exec "$@"`;
  const mender = join(root, 'usr', 'bin', 'mender');
  const args = ['--config', '/etc/mender/mender.conf', '--data', data(folder), '--no-syslog', 'daemon'];
  const unshare = userInfo().uid === 0 ? ['-m'] : ['-r', '-m'];
  return new Program('mender', 'unshare', [...unshare, 'sh', '-c', mounts, 'sh', mender, ...args], {
    ...process.env,
    ...(await peerEnvironment('mender-client')),
    DBUS_SYSTEM_BUS_ADDRESS: busAddress,
    ...more,
  });
}

/**
 * The command that runs `mender` 3.4 as the daemon of a device whose folders lie elsewhere, in a mount namespace that is
 * its own already; `folder` takes what lies over this machine's /etc and /usr/share meanwhile.
 */
export async function menderOn(places: Places, folder: string): Promise<{ command: string[]; env: NodeJS.ProcessEnv }> {
  const root = await peer('mender-client');
  const steps = ['set -e'];
  for (const [path, place] of [
    ['etc', places.conf],
    ['usr/share', places.share],
  ] as const) {
    await mkdir(join(folder, path, 'mender'), { recursive: true });
    steps.push(
      `mount -t overlay -o 'lowerdir=${join(folder, path)}:/${path}' overlay /${path}`,
      `mount --bind '${place}' /${path}/mender`,
    );
  }
  const mender = [join(root, 'usr', 'bin', 'mender'), '--config', '/etc/mender/mender.conf', '--data', places.store];
  return {
    command: ['sh', '-c', [...steps, 'exec "$@"'].join('; '), 'sh', ...mender, '--no-syslog', 'daemon'],
    env: await peerEnvironment('mender-client'),
  };
}

/** Starts `mender-connect` 2.1 with a shell of the user who runs the tests. */
export async function startMenderConnect(folder: string, busAddress: string): Promise<Program> {
  const root = await peer('mender-connect');
  const config = join(folder, 'mender-connect.conf');
  await writeFile(
    config,
    // bash: it is in /etc/shells everywhere, and dash refuses the default argument --login
    JSON.stringify({ ShellCommand: '/bin/bash', ShellArguments: ['--norc'], User: userInfo().username }),
  );
  return new Program('mender-connect', join(root, 'usr', 'bin', 'mender-connect'), ['--config', config, 'daemon'], {
    ...process.env,
    ...(await peerEnvironment('mender-connect')),
    DBUS_SYSTEM_BUS_ADDRESS: busAddress,
  });
}

async function script(path: string, body: string): Promise<void> {
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
}
