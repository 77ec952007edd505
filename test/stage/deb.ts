import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import type { SystemdDevice } from './systemd.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..', '..');

/** Makes the Debian package of a device in a folder, as it ships; the file. */
export async function makeDeb(folder: string): Promise<string> {
  const [built, out] = [join(folder, 'built'), join(folder, 'deb')];
  await run(process.execPath, [join(root, 'tools', 'build.mjs'), '--device', '--out', built]);
  await run(process.execPath, [join(root, 'packaging', 'deb.mjs'), '--built', built, '--out', out]);
  const [file = ''] = await readdir(out);
  return join(out, file);
}

/** Installs it on a device that is to call a server, often, under this address of its network card. */
export async function installPackage(machine: SystemdDevice, deb: string, url: string, mac: string): Promise<void> {
  await machine.copyIn(deb, `/root/${basename(deb)}`);
  await machine.succeed('dpkg', '--install', `/root/${basename(deb)}`);
  const config = { ServerURL: url, UpdatePollIntervalSeconds: 1, RetryPollIntervalSeconds: 1 };
  await machine.write('/etc/mender/mender.conf', JSON.stringify(config));
  await machine.write('/etc/mender/mender-connect.conf', JSON.stringify({ ShellCommand: '/bin/bash', User: 'root' }));
  await machine.write('/var/lib/mender/device_type', 'device_type=bench\n');
  const identity = `#!/bin/sh\necho mac=${mac}\n`;
  await machine.write('/usr/share/mender/identity/mender-device-identity', identity, 0o755);
}
