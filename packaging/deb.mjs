// `node packaging/deb.mjs --built DIR --out DIR`: a Debian package of the programs of a device, out of what
// `npm run build` made. It brings its own Node, so it fits the architecture and the C library of the machine it is made on.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { programsOfAddOns } from '../tools/bundle.mjs';

const here = import.meta.dirname;
const root = join(here, '..');
const { values } = parseArgs({
  options: { built: { type: 'string' }, out: { type: 'string' }, node: { type: 'string', default: process.execPath } },
});
const built = resolve(values.built ?? join(root, 'dist'));
const out = resolve(values.out ?? join(root, 'dist'));
if (!existsSync(join(built, 'bin', 'device.cjs'))) {
  console.error(`deb: there is no build in ${built}: npm run build`);
  process.exit(1);
}
const { version, description, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const architecture = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
const folder = mkdtempSync(join(tmpdir(), 'patchbay-deb-'));
try {
  console.log(build());
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function build() {
  const stage = join(folder, 'root');
  const lib = '/usr/lib/patchbay';
  const programs = Object.keys(programsOfAddOns(root)).map((name) => `${name}.cjs`);
  for (const file of [
    'patchbay-device',
    'client.cjs',
    'connect.cjs',
    'device.cjs',
    'device',
    'node_modules',
    ...programs,
  ])
    put(join(built, 'bin', file), `${lib}/${file}`);
  put(values.node, `${lib}/node`);
  execFileSync('strip', ['--strip-unneeded', join(stage, lib, 'node')]);
  mkdirSync(join(stage, 'usr', 'bin'), { recursive: true });
  symlinkSync('../lib/patchbay/patchbay-device', join(stage, 'usr', 'bin', 'patchbay-device'));
  put(join(built, 'client', 'share'), '/usr/share/mender');
  // What an add-on has for a device beside its half lies as on the device.
  for (const addon of readdirSync(join(root, 'addons')))
    if (existsSync(join(root, 'addons', addon, 'device'))) put(join(root, 'addons', addon, 'device'), '/');
  for (const unit of readdirSync(join(here, 'systemd')))
    put(join(here, 'systemd', unit), `/lib/systemd/system/${unit}`);
  for (const file of readdirSync(join(here, 'dbus')))
    put(join(here, 'dbus', file), `/usr/share/dbus-1/${place(file)}/${file}`);
  put(join(here, 'examples'), '/usr/share/doc/patchbay-device/examples');
  for (const page of ['client.md', 'connect.md', 'configure.md', 'monitor.md'])
    put(join(root, 'docs', page), `/usr/share/doc/patchbay-device/${page}`);
  put(join(root, 'LICENSE'), '/usr/share/doc/patchbay-device/copyright');

  const installed = Number(execFileSync('du', ['-sk', stage], { encoding: 'utf8' }).split('\t')[0]);
  const others =
    'mender-client, mender-client4, mender-auth, mender-update, mender-connect, mender-configure, mender-monitor';
  // What somebody has changed there is his.
  const etc = join(stage, 'etc');
  const files = existsSync(etc) ? readdirSync(etc, { recursive: true, withFileTypes: true }) : [];
  const own = files
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(stage.length));
  control('control', [
    'Package: patchbay-device',
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    'Maintainer: Patchbay <patchbay@localhost>',
    `Installed-Size: ${installed}`,
    'Pre-Depends: passwd',
    'Depends: libc6, libstdc++6, libgcc-s1, libatomic1',
    'Recommends: dbus, openssl, jq, curl',
    `Conflicts: ${others}`,
    `Replaces: ${others}`,
    'Section: admin',
    'Priority: optional',
    `Description: update client and Connect daemon of a Patchbay device (${license})`,
    ` ${description}`,
    '',
  ]);
  control(
    'conffiles',
    own.map((file) => `${file}\n`),
  );
  // Before the policies are unpacked: the bus reads them in that moment, and a group that it does not know then it never will.
  control('preinst', [
    '#!/bin/sh',
    'set -e',
    'getent group patchbay >/dev/null || groupadd --system patchbay',
    'exit 0',
    '',
  ]);
  // The configuration comes first: nothing is started by being installed.
  control('postinst', [
    '#!/bin/sh',
    'set -e',
    'mkdir -p /etc/mender && install -d -m 0700 /var/lib/mender',
    '[ ! -d /run/systemd/system ] || systemctl daemon-reload',
    'exit 0',
    '',
  ]);
  // An upgrade leaves the programs running: it may be one of them that carries it out.
  control('prerm', [
    '#!/bin/sh',
    'set -e',
    `[ "$1" = remove ] && [ -d /run/systemd/system ] && systemctl disable --now --quiet ${units()} || true`,
    'exit 0',
    '',
  ]);
  control('postrm', [
    '#!/bin/sh',
    'set -e',
    '[ ! -d /run/systemd/system ] || systemctl daemon-reload',
    'if [ "$1" = purge ]; then',
    '  rm -rf /var/lib/mender',
    '  rmdir --ignore-fail-on-non-empty /etc/mender 2>/dev/null || true',
    '  groupdel patchbay 2>/dev/null || true',
    'fi',
    'exit 0',
    '',
  ]);
  const file = join(out, `patchbay-device_${version}_${architecture}.deb`);
  mkdirSync(out, { recursive: true });
  execFileSync('dpkg-deb', ['--root-owner-group', '-Zzstd', '-z9', '-b', stage, file]);
  return file;

  function put(/** @type {string} */ from, /** @type {string} */ to) {
    mkdirSync(dirname(join(stage, to)), { recursive: true });
    cpSync(from, join(stage, to), { recursive: true });
  }
  function control(/** @type {string} */ name, /** @type {string[]} */ lines) {
    mkdirSync(join(stage, 'DEBIAN'), { recursive: true });
    writeFileSync(join(stage, 'DEBIAN', name), name === 'conffiles' ? lines.join('') : lines.join('\n'));
    chmodSync(join(stage, 'DEBIAN', name), /^(control|conffiles)$/.test(name) ? 0o644 : 0o755);
  }
}

/** @returns {string} those that an administrator may have enabled */
function units() {
  return readdirSync(join(here, 'systemd')).join(' ');
}

function place(/** @type {string} */ file) {
  if (file.endsWith('.conf')) return 'system.d';
  return file.endsWith('.xml') ? 'interfaces' : 'system-services';
}
