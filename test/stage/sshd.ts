// Debian's OpenSSH server, unpacked, for this user and this machine only.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { peer, peerEnvironment } from '../peers.ts';
import { Program } from './program.ts';

const run = promisify(execFile);

/**
 * Starts `sshd` on a free port with keys of its own. It insists on a folder in /run and on a user of its own: it gets
 * both in a mount namespace, which nobody else sees. `options` are what `ssh` and `scp` need to log in.
 */
export async function startSshd(folder: string): Promise<Program & { port: number; options: readonly string[] }> {
  const root = await peer('openssh-server');
  const file = (name: string): string => join(folder, name);
  for (const key of ['host-key', 'user-key'])
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file(key)]);
  const port = await freePort();
  const settings = {
    Port: port,
    ListenAddress: '127.0.0.1',
    HostKey: file('host-key'),
    AuthorizedKeysFile: file('user-key.pub'),
    PidFile: 'none',
    UsePAM: 'no',
    StrictModes: 'no',
    PermitRootLogin: 'yes',
    Subsystem: `sftp ${join(root, 'usr', 'lib', 'openssh', 'sftp-server')}`,
  };
  await writeFile(
    file('sshd.conf'),
    Object.entries(settings).map((line) => `${line.join(' ')}\n`),
  );
  await writeFile(file('passwd'), `${await readFile('/etc/passwd', 'utf8')}sshd:x:64999:65534::/run/sshd:/bin/false\n`);
  const mounts =
    'mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && mount --bind "$1" /etc/passwd && shift && exec "$@"';
  const sshd = [join(root, 'usr', 'sbin', 'sshd'), '-D', '-e', '-f', file('sshd.conf')];
  const unshare = userInfo().uid === 0 ? ['-m'] : ['-r', '-m'];
  const env = { ...process.env, ...(await peerEnvironment('openssh-server')) };
  const program = new Program('sshd', 'unshare', [...unshare, 'sh', '-c', mounts, 'sh', file('passwd'), ...sshd], env);
  await program.said(/Server listening/);
  const options = ['-i', file('user-key'), '-p', String(port), '-F', 'none', '-o', 'BatchMode=yes'];
  options.push('-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'LogLevel=ERROR');
  return Object.assign(program, { port, options });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}
