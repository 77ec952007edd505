// A small Debian that starts: systemd, D-Bus and what our package recommends, with the tools that look into it. It comes
// from where the machine's own apt gets its packages.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const packages = ['systemd-sysv', 'dbus', 'apt', 'procps', 'libatomic1', 'iproute2', 'openssl', 'jq', 'curl'];
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** Nobody reads them, and they are half of it. */
const unread = ['doc', 'locale', 'man', 'info'].map((folder) => `--dpkgopt=path-exclude=/usr/share/${folder}/*`);

/** Makes it in `root`, which must not be there; as root. Half a minute, or what the network takes. */
export async function makeDebianRoot(root: string): Promise<void> {
  const sources = `${root}.list`;
  const suite = await codename();
  await writeFile(sources, await sourceList(suite));
  const options = ['--mode=root', '--variant=essential', '--dpkgopt=force-unsafe-io', ...unread];
  await run('mmdebstrap', [...options, `--include=${packages.join()}`, suite, root, sources], { maxBuffer: 1 << 26 });
  // Without one each start would be the first one of a new machine.
  await writeFile(join(root, 'etc', 'machine-id'), `${randomBytes(16).toString('hex')}\n`);
  await writeFile(join(root, 'etc', 'hostname'), 'device\n');
}

async function codename(): Promise<string> {
  const name = /^VERSION_CODENAME=(\S+)$/m.exec(await readFile('/etc/os-release', 'utf8'))?.[1];
  if (name === undefined) throw new Error('/etc/os-release names no release of Debian');
  return name;
}

/** Sources of the release that this machine runs, and of its updates; not what else the machine was given. */
async function sourceList(suite: string): Promise<string> {
  const signed = existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
  const fields = ['$(REPO_URI)', '$(RELEASE)', '$(COMPONENT)'].join('|');
  const { stdout } = await run('apt-get', ['indextargets', '--format', fields, 'Created-By: Packages']);
  const lines = stdout.split('\n').flatMap((line) => {
    const [uri, release = '', component] = line.split('|');
    if (release !== suite && !release.startsWith(`${suite}-`)) return [];
    return [`deb ${signed}${uri} ${release} ${component}`];
  });
  if (lines.length === 0) throw new Error(`apt has no sources of ${suite}`);
  return `${[...new Set(lines)].join('\n')}\n`;
}
