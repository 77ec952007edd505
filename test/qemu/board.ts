// A device for a virtual machine: GRUB, two root file systems with our bundled client, a data partition. All of it is
// made of Debian's packages and our own files, without root and without mounting anything.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, copyFile, cp, mkdir, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { fileSource, writeArtifact } from '#artifact';
import { peer, peerEnvironment } from '../peers.ts';
import { layGrubEnvironment } from '../stage/two-roots.ts';
import { cpio, type Member } from './cpio.ts';
import { assembleDisk, fileSystem } from './disk.ts';
import { accelerator, probeWord, type Accelerator } from './machine.ts';

const run = promisify(execFile);
const project = join(import.meta.dirname, '..', '..');
/** MiB. */
const sizes = { boot: 4, root: 25, data: 256 } as const;
/** What the kernel needs before it can see its disk and network, in the order of their dependencies. */
const drivers = [
  'drivers/virtio/virtio_ring',
  'drivers/virtio/virtio',
  'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci_modern_dev',
  'drivers/virtio/virtio_pci',
  'drivers/block/virtio_blk',
  'net/core/failover',
  'drivers/net/net_failover',
  'drivers/net/virtio_net',
];
const grubModules =
  'biosdisk part_msdos ext2 normal configfile linux loadenv test true echo reboot sleep hashsum gcry_sha256 serial terminal';

export const mac = '02:00:00:00:0b:01';
export const deviceType = 'board';

/** How a release starts, or does not. */
export type Start = 'good' | 'panics' | 'no kernel';

export interface Board {
  readonly disk: string;
  readonly accelerator: Accelerator;
  /** Makes an artifact with a root file system of its own; the file. */
  release(name: string, start?: Start): Promise<string>;
}

/** Builds a board that runs `release-1` and knows its server. */
export async function buildBoard(folder: string, serverUrl: string): Promise<Board> {
  const parts = await gather(folder);
  const roots = await rootOf(parts, 'release-1', 'good');
  const boot = join(folder, 'boot.img');
  const data = join(folder, 'data.img');
  await fileSystem(boot, sizes.boot, await bootTree(parts), { journal: false });
  await fileSystem(data, sizes.data, await dataTree(parts, serverUrl));
  const disk = join(folder, 'disk.img');
  // Both partitions begin alike, as a factory leaves them.
  await assembleDisk(disk, await bootCode(parts), [boot, roots, roots, data]);
  for (const file of [boot, data, roots]) await rm(file);
  return {
    disk,
    accelerator: await accelerator(parts.kernel, parts.probe),
    release: async (name, start = 'good') => {
      const image = await rootOf(parts, name, start);
      const file = join(folder, `${name}.mender`);
      await writeArtifact(
        {
          name,
          depends: { device_type: [deviceType] },
          compression: 'none',
          payload: {
            type: 'rootfs-image',
            provides: { 'rootfs-image.version': name },
            depends: {},
            clears: ['rootfs-image.*'],
            files: [await fileSource(image)],
          },
        },
        file,
      );
      await rm(image);
      return file;
    },
  };
}

interface Parts {
  readonly folder: string;
  readonly kernel: string;
  /** Initial RAM disk of the device. */
  readonly ram: string;
  /** One that only says that it was started. */
  readonly probe: string;
  readonly busybox: string;
  readonly client: string;
  readonly grub: string;
  readonly grubPrograms: string;
  readonly grubEnvironment: NodeJS.ProcessEnv;
}

async function gather(folder: string): Promise<Parts> {
  const linux = await peer('linux-image-cloud-amd64');
  const busybox = join(await peer('busybox-static'), 'bin', 'busybox');
  const grub = join(await peer('grub-pc-bin'), 'usr', 'lib', 'grub', 'i386-pc');
  const grubPrograms = join(await peer('grub-common'), 'usr', 'bin');
  const grubEnvironment = { ...process.env, ...(await peerEnvironment('grub-common')) };
  const [kernelName = ''] = (await readdir(join(linux, 'boot'))).filter((name) => name.startsWith('vmlinuz-'));
  const kernel = join(linux, 'boot', kernelName);
  const modules = join(linux, 'lib', 'modules', kernelName.replace('vmlinuz-', ''), 'kernel');
  const ram = join(folder, 'initrd');
  const probe = join(folder, 'probe');
  const common: Member[] = [
    ...['bin', 'dev', 'proc', 'modules', 'root'].map((name) => ({ name, mode: 0o040755 })),
    { name: 'dev/console', mode: 0o020600, device: [5, 1] as const },
    { name: 'bin/busybox', mode: 0o100755, content: await readFile(busybox) },
  ];
  const modulesOf = await Promise.all(
    drivers.map(async (path, index) => ({
      name: `modules/${String(index).padStart(2, '0')}.ko`,
      mode: 0o100644,
      content: await readFile(join(modules, `${path}.ko`)),
    })),
  );
  const program = (text: string): Member => ({ name: 'init', mode: 0o100755, content: Buffer.from(text) });
  await writeFile(ram, cpio([...common, ...modulesOf, program(ramInit)]));
  await writeFile(probe, cpio([...common, program(`#!/bin/busybox sh\necho ${probeWord}\nbusybox poweroff -f\n`)]));
  const bundle = join(folder, 'bundle');
  const script = `import('./tools/bundle.mjs').then(({ bundleDevice }) => bundleDevice(process.cwd(), ${JSON.stringify(bundle)}))`;
  await run(process.execPath, ['-e', script], { cwd: project });
  return {
    folder,
    kernel,
    ram,
    probe,
    busybox,
    client: join(bundle, 'client.cjs'),
    grub,
    grubPrograms,
    grubEnvironment,
  };
}

const ramInit = `#!/bin/busybox sh
export PATH=/bin
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
for module in /modules/*.ko; do busybox insmod $module; done
device=$(busybox sed 's/.*root=\\([^ ]*\\).*/\\1/' /proc/cmdline)
busybox mount -t ext4 -o ro $device /root || busybox reboot -f
exec busybox switch_root /root /sbin/init
`;

/** Where Node finds what it has compiled; emulated, it needs as long for that as for all the rest. */
const compiled = '/data/runtime/compiled';

/** Lets Node compile the client beside the places that both will have on the device. */
async function compile(parts: Parts, tree: string): Promise<void> {
  const root = join(parts.folder, 'compiled');
  const client = join(root, 'usr', 'lib', 'patchbay', 'client.cjs');
  await mkdir(dirname(client), { recursive: true });
  await copyFile(parts.client, client);
  const env = { ...process.env, NODE_COMPILE_CACHE: join(root, compiled), NODE_COMPILE_CACHE_PORTABLE: '1' };
  await run(process.execPath, [client, '--datastore', join(root, 'store'), 'show-artifact'], { env });
  await cp(join(root, compiled), join(tree, 'runtime', 'compiled'), { recursive: true });
  await rm(root, { recursive: true });
}

/** Process 1 of the device: brings up what the client needs, and starts it again whenever it ends. */
const init = (release: string) => `#!/bin/busybox sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mount -t ext4 -o noatime /dev/vda4 /data
mount -t ext4 -o noatime /dev/vda1 /boot/efi
ip link set lo up
ip addr add 10.0.2.15/24 dev eth0
ip link set eth0 up
ip route add default via 10.0.2.2
# A shell for the test; one that sees a terminal would edit lines and echo.
( while :; do
    stty -F /dev/ttyS1 raw -echo
    while read -r line; do eval "$line"; done </dev/ttyS1 >/dev/ttyS1 2>/dev/null
done ) &
echo "board: ${release} runs from $(sed 's/.*root=\\([^ ]*\\).*/\\1/' /proc/cmdline)"
while :; do
    NODE_COMPILE_CACHE=${compiled} NODE_COMPILE_CACHE_PORTABLE=1 node /usr/lib/patchbay/client.cjs --log-level info daemon
    echo "board: client ended with $?"
    sleep 1
done
`;

async function rootOf(parts: Parts, release: string, start: Start): Promise<string> {
  const tree = join(parts.folder, `root-${release}`);
  const put = filler(tree);
  for (const folder of ['proc', 'sys', 'dev', 'tmp', 'data', 'boot/efi'])
    await mkdir(join(tree, folder), { recursive: true });
  if (start !== 'no kernel') {
    await put('boot/vmlinuz', await readFile(parts.kernel));
    await put('boot/initrd', await readFile(parts.ram));
  }
  await put('bin/busybox', await readFile(parts.busybox), 0o755);
  const { stdout } = await run(parts.busybox, ['--list']);
  for (const applet of stdout
    .split('\n')
    .filter((name) => name !== '' && !['busybox', 'reboot', 'init'].includes(name)))
    await symlink('busybox', join(tree, 'bin', applet));
  // Nothing is flushed on purpose: what the client has not made sure of is lost.
  await put('sbin/reboot', '#!/bin/sh\nexec busybox reboot -f\n', 0o755);
  await put('sbin/init', start === 'panics' ? '#!/bin/busybox sh\nexit 1\n' : init(release), 0o755);
  await put('etc/release', `${release}\n`);
  await put('etc/mender/mender.conf', JSON.stringify({ RootfsPartA: '/dev/vda2', RootfsPartB: '/dev/vda3' }));
  await put('usr/share/mender/identity/mender-device-identity', `#!/bin/sh\necho mac=${mac}\n`, 0o755);
  await put('usr/lib/patchbay/client.cjs', await readFile(parts.client));
  for (const tool of ['print', 'set']) {
    const name = `grub-mender-grubenv-${tool}`;
    await put(`usr/bin/${name}`, await readFile(join(project, 'client', 'share', 'boot', 'grub', name)), 0o755);
  }
  await put('usr/bin/grub-editenv', await readFile(join(parts.grubPrograms, 'grub-editenv')), 0o755);
  // The runtime is shared, so that an image stays small enough for an emulated machine.
  await symlink('/data/runtime/node', join(tree, 'usr', 'bin', 'node'));
  await mkdir(join(tree, 'var', 'lib'), { recursive: true });
  await symlink('/data/mender', join(tree, 'var', 'lib', 'mender'));
  await symlink('/data/runtime/lib', join(tree, 'lib'));
  await symlink('/data/runtime/lib', join(tree, 'lib64'));
  // Differs from one release to the next, as most of an image does.
  await put('usr/share/filler', randomBytes(2 * 1024 * 1024));
  const image = join(parts.folder, `${release}.ext4`);
  await fileSystem(image, sizes.root, tree, { journal: false }); // only ever mounted for reading
  await rm(tree, { recursive: true });
  return image;
}

async function dataTree(parts: Parts, serverUrl: string): Promise<string> {
  const tree = join(parts.folder, 'data');
  const put = filler(tree);
  await put('mender/device_type', `device_type=${deviceType}\n`);
  await put(
    'mender/mender.conf',
    JSON.stringify({
      ServerURL: serverUrl,
      UpdatePollIntervalSeconds: 1,
      InventoryPollIntervalSeconds: 3600,
      RetryPollIntervalSeconds: 2,
    }),
  );
  await put('mender/patchbay-store.json', JSON.stringify({ version: 1, artifactName: 'release-1', provides: {} }));
  const runtime = join(tree, 'runtime');
  await compile(parts, tree);
  await mkdir(join(runtime, 'lib'), { recursive: true });
  await copyFile(process.execPath, join(runtime, 'node'));
  for (const program of [process.execPath, join(parts.grubPrograms, 'grub-editenv')])
    for (const library of await librariesOf(program, parts.grubEnvironment))
      await copyFile(await realpath(library), join(runtime, 'lib', library.slice(library.lastIndexOf('/') + 1)));
  return tree;
}

/** Paths of the shared libraries that a program loads, its loader among them. */
async function librariesOf(program: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const { stdout } = await run('ldd', [program], { env });
  return [...stdout.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map(([, path]) => path ?? '');
}

async function bootTree(parts: Parts): Promise<string> {
  const tree = join(parts.folder, 'boot');
  const put = filler(tree);
  const config = await readFile(join(project, 'client', 'share', 'boot', 'grub', 'grub.cfg'), 'utf8');
  const console = 'serial --unit=0\nterminal_input serial\nterminal_output serial\n';
  await put(
    'grub/grub.cfg',
    console + config.replace(/(patchbay_arguments)=.*/, '$1="ro console=ttyS0 quiet panic=1 nokaslr mitigations=off"'),
  );
  const first = { mender_boot_part: '2', mender_boot_part_hex: '2', upgrade_available: '0', bootcount: '0' };
  const edit = join(parts.grubPrograms, 'grub-editenv');
  await layGrubEnvironment(join(tree, 'grub-mender-grubenv'), first, edit, parts.grubEnvironment);
  return tree;
}

async function bootCode(parts: Parts): Promise<{ first: Buffer; core: Buffer }> {
  const core = join(parts.folder, 'core.img');
  const args = ['-d', parts.grub, '-O', 'i386-pc', '-p', '(hd0,msdos1)/grub', '-o', core, ...grubModules.split(' ')];
  await run(join(parts.grubPrograms, 'grub-mkimage'), args, { env: parts.grubEnvironment });
  return { first: await readFile(join(parts.grub, 'boot.img')), core: await readFile(core) };
}

/** Puts files into a tree. */
const filler =
  (tree: string) =>
  async (path: string, content: string | Uint8Array, mode = 0o644): Promise<void> => {
    const file = join(tree, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content);
    await chmod(file, mode);
  };
