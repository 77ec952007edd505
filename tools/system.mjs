// Which programs of the system Patchbay's demo and tests call, and how they get onto a machine that lacks them.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** `required`: nothing works without it. The others cost only what meets that program. */
const programs = [
  { name: 'dbus-daemon', debian: 'dbus-daemon', uses: ['demo', 'test'], required: true },
  // Settings are reported back to the server with these two.
  { name: 'dbus-send', debian: 'dbus-bin', uses: ['demo', 'test'], required: false },
  { name: 'curl', debian: 'curl', uses: ['demo', 'test'], required: false },
  { name: 'openssl', debian: 'openssl', uses: ['test'], required: false },
  { name: 'zstd', debian: 'zstd', uses: ['test'], required: false },
  { name: 'xz', debian: 'xz-utils', uses: ['test'], required: false },
  { name: 'jq', debian: 'jq', uses: ['test'], required: false },
  { name: 'losetup', debian: 'mount', uses: ['test'], required: false },
  { name: 'mke2fs', debian: 'e2fsprogs', uses: ['test'], required: false },
  { name: 'qemu-system-x86_64', debian: 'qemu-system-x86', uses: ['test'], required: false },
  { name: 'mmdebstrap', debian: 'mmdebstrap', uses: ['test'], required: false },
  { name: 'softhsm2-util', debian: 'softhsm2', uses: ['test'], required: false },
  { name: 'engines-3/pkcs11.so', debian: 'libengine-pkcs11-openssl', uses: ['test'], required: false },
  // Examples of what D-Bus is for, and who else speaks it.
  { name: 'gdbus', debian: 'libglib2.0-bin', uses: ['test'], required: false },
  { name: 'busctl', debian: 'systemd', uses: ['test'], required: false },
  { name: 'dist-packages/dbus/__init__.py', debian: 'python3-dbus', uses: ['test'], required: false },
  { name: 'dist-packages/gi/__init__.py', debian: 'python3-gi', uses: ['test'], required: false },
  // Its headers: a stand-in for a provider of OpenSSL is compiled.
  { name: 'libssl.so', debian: 'libssl-dev', uses: ['test'], required: false },
  { name: 'chromium', debian: 'chromium', uses: ['test'], required: false },
];

const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];

/** @param {string} program or a file of a library, by its place below a folder of /usr/lib */
export function installed(program) {
  if (program.includes('/') || program.endsWith('.so'))
    return readdirSync('/usr/lib').some((folder) => existsSync(join('/usr/lib', folder, program)));
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return folder !== '';
    } catch {
      return false;
    }
  });
}

/**
 * Installs what is missing where that is ours to do (root on Debian), else says which command would.
 * @param {'demo' | 'test'} use
 * @param {(line: string) => void} say
 * @returns {boolean} false when the use cannot go on
 */
export function provide(use, say) {
  let missing = programs.filter((program) => program.uses.includes(use) && !installed(program.name));
  if (missing.length === 0) return true;
  const packages = missing.map((program) => program.debian).join(' ');
  const apt = installed('apt-get');
  let reason = '';
  if (apt && process.getuid?.() === 0) {
    say(`installing ${packages} …`);
    reason = aptInstall(missing.map((program) => program.debian));
    missing = missing.filter((program) => !installed(program.name));
    if (missing.length === 0) return true;
  }
  const fatal = process.env['CI'] === 'true' ? missing : missing.filter((program) => program.required);
  const names = missing.map((program) => program.name).join(', ');
  const how = apt ? `sudo apt-get install ${packages}` : `your system's package manager (on Debian: ${packages})`;
  if (fatal.length > 0) say(`${names} missing; install with: ${how}${reason && `\n${reason}`}`);
  else say(`${names} missing, so what needs them is left out of the ${use}; to have it too: ${how}`);
  return fatal.length === 0;
}

/** A new machine has no package lists and an old one has stale ones: fetch them only when the first try fails. */
function aptInstall(/** @type {string[]} */ packages) {
  const install = ['-y', '-q', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=300', 'install', ...packages];
  let last = apt(install);
  if (last.status !== 0 && apt(['-q', '-o', 'DPkg::Lock::Timeout=300', 'update']).status === 0) last = apt(install);
  return last.status === 0 ? '' : last.stderr.trim().split('\n').slice(-3).join('\n');
}

function apt(/** @type {string[]} */ args) {
  return spawnSync('apt-get', args, { encoding: 'utf8', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } });
}
