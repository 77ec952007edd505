import { cp, mkdir, readdir, writeFile } from 'node:fs/promises';
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { writeArtifact } from '#artifact';
import { startBus } from './bus.ts';
import type { Programs } from './places.ts';
import type { DemoProcess, Processes } from './processes.ts';

/** What all virtual devices are, to the server and to artifacts. */
export const demoType = 'demo-device';
/** The update module that spoils what is installed and then fails; only virtual devices have it. */
export const brokenModule = 'demo-broken';

/** A device that is three processes and a folder. */
export interface VirtualDevice {
  readonly name: string;
  /** What the server knows it by. */
  readonly mac: string;
  readonly folder: string;
  /** What stands for its root file system: where artifacts are installed to. */
  readonly root: string;
  /** A log that the device watches: `panic` in it is an alert. */
  readonly log: string;
  readonly client: DemoProcess;
  readonly connect: DemoProcess;
}

export interface DeviceOptions {
  readonly number: number;
  /** Folder of the demo. */
  readonly folder: string;
  readonly serverUrl: string;
  readonly busDaemon: string;
  /** Seconds between two looks for a deployment. */
  readonly pollInterval: number;
}

/** Makes a device's folder and starts its bus, its update client and its Connect daemon. */
export async function startDevice(
  programs: Programs,
  processes: Processes,
  options: DeviceOptions,
): Promise<VirtualDevice> {
  const name = `device-${options.number}`;
  const folder = join(options.folder, name);
  const places = await furnish(programs, name, folder, options);
  const address = await startBus(`${name}-bus`, options.busDaemon, folder, processes);
  const environment = { cwd: folder, env: { ...programs.environment, DBUS_SYSTEM_BUS_ADDRESS: address } };
  const { node } = programs;
  const clientArgs = ['--conf-dir', places.conf, '--data-dir', places.share, '--datastore', places.store, 'daemon'];
  const client = await processes.start(`${name}-client`, node, [...programs.client, ...clientArgs], {
    ...environment,
    env: { ...environment.env, ...settingsOf(places) },
  });
  const connectArgs = ['--config', places.connect, '--fallback-config', join(places.store, 'mender-connect.conf')];
  const connect = await processes.start(
    `${name}-connect`,
    node,
    [...programs.connect, ...connectArgs, '--bus', address, 'daemon'],
    environment,
  );
  return { name, mac: macOf(options.number), folder, root: places.root, log: places.log, client, connect };
}

/** A locally administered address, as a real interface may have it too. */
const macOf = (number: number) =>
  `02:00:5e:${[number >> 16, number >> 8, number].map((byte) => (byte & 255).toString(16).padStart(2, '0')).join(':')}`;

async function furnish(programs: Programs, name: string, folder: string, options: DeviceOptions) {
  const places = {
    conf: join(folder, 'etc'),
    share: join(folder, 'usr', 'share', 'mender'),
    scripts: join(folder, 'usr', 'lib', 'mender-configure', 'apply-device-config.d'),
    store: join(folder, 'var'),
    root: join(folder, 'root'),
    log: join(folder, 'root', 'app.log'),
    connect: join(folder, 'etc', 'mender-connect.conf'),
  };
  const from = join(programs.root, 'client', 'share', 'modules', 'v3');
  const modules = join(places.share, 'modules', 'v3');
  for (const place of [places.conf, places.store, join(places.root, 'etc'), modules])
    await mkdir(place, { recursive: true });
  for (const place of ['identity', 'inventory']) await mkdir(join(places.share, place), { recursive: true });
  await cp(from, modules, { recursive: true });
  await installAddons(programs.root, folder);
  const script = (path: string, text: string) => writeFile(join(places.share, path), text, { mode: 0o755 });
  await script('identity/mender-device-identity', `#!/bin/sh\necho mac=${macOf(options.number)}\n`);
  await script('inventory/mender-inventory-demo', inventoryScript(name));
  await script(`modules/v3/${brokenModule}`, spoiler(places.root));
  await writeFile(join(places.scripts, 'led'), ledScript(places.root), { mode: 0o755 });
  await writeFile(places.log, '');
  const check = { SERVICE_NAME: 'app', LOG_PATTERN: 'panic', LOG_FILE: places.log, LOG_PATTERN_EXPIRATION: '20' };
  await writeFile(
    join(places.conf, 'mender-monitor', 'monitor.d', 'enabled', 'log_app.sh'),
    Object.entries(check)
      .map(([key, value]) => `${key}="${value}"\n`)
      .join(''),
  );
  const intervals = {
    UpdatePollIntervalSeconds: options.pollInterval,
    InventoryPollIntervalSeconds: 30,
    RetryPollIntervalSeconds: 1,
  };
  await writeFile(join(places.conf, 'mender.conf'), JSON.stringify({ ServerURL: options.serverUrl, ...intervals }));
  const login = {
    User: userInfo().username,
    ShellCommand: shell(),
    MenderClient: { PidFile: join(places.store, 'patchbay-client.pid') },
    Monitor: {
      ConfigFolder: join(places.conf, 'mender-monitor'),
      ScriptFolder: join(places.conf, 'mender-monitor', 'scripts'),
      LibraryFolder: join(folder, 'usr', 'share', 'mender-monitor'),
      ServerLogFolders: [places.root],
      StateFolder: join(places.store, 'mender-monitor'),
    },
  };
  await writeFile(places.connect, JSON.stringify(login));
  await writeFile(join(places.store, 'device_type'), `device_type=${demoType}\n`);
  // What a flashed image brings: without it the device would not know what it runs.
  await writeArtifact(
    {
      name: 'demo-0',
      depends: { device_type: [demoType] },
      payload: { type: null, provides: {}, depends: {}, files: [] },
    },
    join(places.store, 'bootstrap.mender'),
  );
  return places;
}

/** What add-ons have for a device beside their halves, as a package of them lays it over its root. */
async function installAddons(root: string, folder: string): Promise<void> {
  const addons = join(root, 'addons');
  for (const name of await readdir(addons)) {
    const files = join(addons, name, 'device');
    if (existsSync(files)) await cp(files, folder, { recursive: true });
  }
}

/** Has the update module of settings keep to the device's folder (docs/configure.md). */
function settingsOf({ store, scripts, root }: { store: string; scripts: string; root: string }) {
  const kept = join(store, 'mender-configure');
  return {
    TEST_CONFIG: join(kept, 'device-config.json'),
    TEST_CONFIG_CHECKSUM: join(kept, 'device-config-reported.sha256'),
    TEST_APPLY_DIR: scripts,
    MENDER_CONFIGURE_ROOT: root,
  };
}

/** bash where it may be used as a login shell: a demo is nicer with line editing. */
function shell(): string {
  const list = existsSync('/etc/shells') ? readFileSync('/etc/shells', 'utf8').split('\n') : [];
  return list.includes('/bin/bash') && existsSync('/bin/bash') ? '/bin/bash' : '/bin/sh';
}

const inventoryScript = (name: string) => `#!/bin/sh
echo hostname=${name}
echo kernel="$(uname -sr)"
echo arch="$(uname -m)"
sed -n 's/^MemTotal:[[:space:]]*\\([0-9]*\\) kB$/mem_total_kB=\\1/p' /proc/meminfo
[ -r /etc/os-release ] && . /etc/os-release && echo os="$PRETTY_NAME"
exit 0
`;

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const ledScript = (root: string) => `#!/bin/sh
# Apply script of the demo: the setting 'led' is on or off.
[ "$#" = 1 ] || exit 2
[ -f "$1" ] || exit 1
led=$("$(dirname "$0")/../value" led "$1")
case $? in 0) ;; 1) exit 0 ;; *) exit 1 ;; esac
case $led in
    on | off) echo "$led" >${quoted(join(root, 'led.txt'))} ;;
    *) echo "the light is on or off, not '$led'" >&2; exit 1 ;;
esac
`;

const spoiler = (root: string) => `#!/bin/sh
# Update module of the demo: spoils the greeting, fails, and can undo what it did.
set -eu
greeting=${quoted(`${root}/greeting.txt`)}
case $1 in
    SupportsRollback) echo Yes ;;
    NeedsArtifactReboot) echo No ;;
    ArtifactInstall)
        cp -p "$greeting" "$2/tmp/greeting"
        echo spoiled >"$greeting"
        echo 'demo-broken: the new greeting cannot be read' >&2
        exit 1
        ;;
    ArtifactRollback) cp -p "$2/tmp/greeting" "$greeting" ;;
esac
exit 0
`;
