// A machine with two root file systems on loop devices and the real tools of a boot loader. Only the boot loader itself
// is played, by the rules that both kinds follow (`update-client.md` §5.3).
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { peer, peerEnvironment } from '../peers.ts';
import type { System } from '../../client/rootfs/partitions.ts';
import { LoopDevice, withSystem } from './loop-device.ts';
import { onSignal } from './on-signal.ts';

const run = promisify(execFile);
const MiB = 1024 * 1024;

export type BootLoader = 'U-Boot' | 'GRUB';
export type Place = 'a' | 'b';

export interface TwoRootsOptions {
  readonly bootLoader: BootLoader;
  /** MiB of each partition. */
  readonly size?: number;
  /** MiB of B, where that is to be another. */
  readonly sizeOfB?: number;
  /** Images hold what `inside` needs. */
  readonly inhabited?: boolean;
}

export class TwoRoots implements AsyncDisposable {
  readonly folder: string;
  /** Paths of the two devices. */
  readonly devices: Readonly<Record<Place, string>>;
  /** Put first in PATH: the boot loader's tools. */
  readonly bin: string;
  readonly #options: TwoRootsOptions;
  readonly #loops: readonly LoopDevice[];
  /** However the process ends, the devices go with it; a mount and a folder need somebody who takes them away. */
  readonly #signals: Disposable;
  #runs: Place = 'a';

  private constructor(folder: string, loops: readonly LoopDevice[], options: TwoRootsOptions) {
    const [a = '', b = ''] = loops.map(({ path }) => path);
    this.folder = folder;
    this.devices = { a, b };
    this.#loops = loops;
    this.#signals = onSignal(() => {
      spawnSync('umount', ['-l', this.system.root]);
      rmSync(folder, { recursive: true, force: true });
    });
    this.bin = join(folder, 'bin');
    this.#options = options;
  }

  /** A machine that runs `old` from A; B is empty. */
  static async open(options: TwoRootsOptions): Promise<TwoRoots> {
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-roots-'));
    const loops: LoopDevice[] = [];
    let machine: TwoRoots | undefined;
    try {
      for (const place of ['a', 'b'] as const) {
        const file = join(folder, `partition-${place}`);
        await writeFile(file, '');
        const size = (place === 'b' ? options.sizeOfB : undefined) ?? options.size ?? 4;
        await run('truncate', ['-s', `${size}M`, file]);
        loops.push(new LoopDevice(file));
      }
      machine = new TwoRoots(folder, loops, options);
      await machine.#installTools();
      const image = await machine.image('old');
      await run('dd', [`if=${image}`, `of=${machine.devices.a}`, 'bs=1M', 'conv=fsync'], { env: withSystem() });
      await machine.#mount();
      return machine;
    } catch (error) {
      for (const each of loops) each[Symbol.dispose]();
      if (machine) machine.#signals[Symbol.dispose]();
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Where the running root file system is, and what the kernel says of it. */
  get system(): System {
    return {
      root: join(this.folder, 'root'),
      commandLine: join(this.folder, 'cmdline'),
      mounts: '/proc/self/mounts',
      ubi: '/sys/class/ubi',
    };
  }

  get runs(): Place {
    return this.#runs;
  }

  numberOf(place: Place): string {
    return /\d+$/.exec(this.devices[place])?.[0] ?? '';
  }

  /** An ext4 image that knows its name. */
  async image(release: string, size = this.#options.size ?? 4): Promise<string> {
    const tree = join(this.folder, 'tree');
    await mkdir(join(tree, 'patchbay'), { recursive: true });
    if (this.#options.inhabited) await mirrorTop(tree);
    await writeFile(join(tree, 'patchbay', 'release'), `${release}\n`);
    await writeFile(join(tree, 'patchbay', 'filler'), randomBytes(MiB / 2));
    const file = join(this.folder, `image-${release}`);
    const plain = ['-q', '-F', '-t', 'ext4', '-O', '^has_journal', '-d', tree, file, `${size}M`];
    await run('mke2fs', plain, { env: withSystem() });
    await rm(tree, { recursive: true });
    return file;
  }

  /** What runs, by the name that its image was given. */
  async release(): Promise<string> {
    return (await readFile(join(this.system.root, 'patchbay', 'release'), 'utf8')).trim();
  }

  /** Variables of the boot loader, asked for by its own program. */
  async variables(): Promise<Record<string, string>> {
    const { stdout } = await run(this.#real(this.tools[0]), [], { env: this.environment() });
    return Object.fromEntries(
      stdout
        .split('\n')
        .filter(Boolean)
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  }

  async set(variables: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, value] of Object.entries(variables))
      await run(this.#real(this.tools[1]), [name, value], { env: this.environment() });
  }

  /** What decides, as `update-client.md` §5.2 has it: partition by its letter, on trial, boots of the trial. */
  async state(): Promise<string> {
    const { mender_boot_part: part, mender_boot_part_hex: hex, upgrade_available, bootcount } = await this.variables();
    const place = (['a', 'b'] as const).find((one) => this.numberOf(one) === part) ?? part;
    if (Number(part).toString(16) !== hex) throw new Error(`partition ${part} is not ${hex} in hexadecimal`);
    return `${place} ${upgrade_available} ${bootcount}`;
  }

  /** The machine is started again: the boot loader chooses, and the kernel mounts what it chose. */
  async boot(): Promise<Place> {
    const { mender_boot_part: part, upgrade_available, bootcount } = await this.variables();
    let next: Place = part === this.numberOf('a') ? 'a' : 'b';
    if (upgrade_available === '1' && Number(bootcount) >= 1) {
      next = next === 'a' ? 'b' : 'a';
      const number = this.numberOf(next);
      await this.set({
        mender_boot_part: number,
        mender_boot_part_hex: Number(number).toString(16),
        upgrade_available: '0',
        bootcount: '0',
      });
    } else if (upgrade_available === '1') {
      await this.set({ bootcount: '1' });
    }
    await run('umount', [this.system.root]);
    this.#runs = next;
    await this.#mount();
    return next;
  }

  /**
   * A command that runs with the running partition as its `/`: the folders of this machine lie in it, its own programs
   * come first. Its process is replaced by the command, so that a signal meets that.
   */
  inside(command: readonly string[]): readonly string[] {
    const binds = 'for each in "$root"/*; do [ -L "$each" ] || mount --bind "/${each##*/}" "$each" 2>/dev/null; done';
    const script = `root=$1; shift; ${binds}; exec chroot "$root" sh -c 'cd "$1" && shift && exec "$@"' sh "$PWD" "$@"`;
    return ['unshare', '-m', 'sh', '-c', script, 'sh', this.system.root, ...command];
  }

  /** Replaces a tool of the boot loader by a script; `$real` is the real one. */
  async tool(name: string, script: string): Promise<void> {
    await this.#script(name, `real='${this.#real(name)}'\n${script}`);
  }

  async repairTool(name: string): Promise<void> {
    await this.#script(name, `exec '${this.#real(name)}' "$@"`);
  }

  /** Names of the tools that read and write the boot loader's variables. */
  get tools(): readonly [print: string, set: string] {
    return this.#options.bootLoader === 'GRUB'
      ? ['grub-mender-grubenv-print', 'grub-mender-grubenv-set']
      : ['fw_printenv', 'fw_setenv'];
  }

  environment(): NodeJS.ProcessEnv {
    return { ...process.env, PATH: `${this.bin}:${withSystem()['PATH']}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', ['-l', this.system.root]).catch(() => undefined);
    for (const each of this.#loops) each[Symbol.dispose]();
    this.#signals[Symbol.dispose]();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #mount(): Promise<void> {
    const device = this.devices[this.#runs];
    await mkdir(this.system.root, { recursive: true });
    await run('mount', ['-o', 'ro', device, this.system.root]);
    await writeFile(this.system.commandLine, `console=ttyS0 root=${device} ro\n`);
  }

  async #installTools(): Promise<void> {
    const first = {
      mender_boot_part: this.numberOf('a'),
      mender_boot_part_hex: Number(this.numberOf('a')).toString(16),
      upgrade_available: '0',
      bootcount: '0',
    };
    if (this.#options.bootLoader === 'U-Boot') await this.#installUboot(first);
    else await this.#installGrub(first);
    for (const name of this.tools) await this.repairTool(name);
  }

  async #installUboot(first: Readonly<Record<string, string>>): Promise<void> {
    const programs = join(await peer('libubootenv-tool'), 'usr', 'bin');
    const config = join(this.folder, 'fw_env.config');
    const storage = join(this.folder, 'uboot.env');
    await writeFile(storage, Buffer.alloc(16 * 1024));
    await writeFile(config, `${storage} 0x0 0x4000\n`);
    const { LD_LIBRARY_PATH = '' } = await peerEnvironment('libubootenv-tool');
    for (const name of ['fw_printenv', 'fw_setenv'])
      await this.#script(
        name,
        `LD_LIBRARY_PATH='${LD_LIBRARY_PATH}' exec '${programs}/${name}' -c '${config}' "$@"`,
        'real',
      );
    // As the boot loader itself fills an empty environment: from its defaults.
    const defaults = join(this.folder, 'defaults');
    await writeFile(
      defaults,
      Object.entries(first)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(''),
    );
    await run(this.#real('fw_setenv'), ['-f', defaults, 'bootcount', '0']);
  }

  async #installGrub(first: Readonly<Record<string, string>>): Promise<void> {
    const edit = join(await peer('grub-common'), 'usr', 'bin', 'grub-editenv');
    const { LD_LIBRARY_PATH = '' } = await peerEnvironment('grub-common');
    await this.#script('grub-editenv', `LD_LIBRARY_PATH='${LD_LIBRARY_PATH}' exec '${edit}' "$@"`);
    const store = join(this.folder, 'grub-mender-grubenv');
    const share = join(import.meta.dirname, '..', '..', 'client', 'share', 'boot', 'grub');
    for (const name of ['grub-mender-grubenv-print', 'grub-mender-grubenv-set'])
      await this.#script(name, `GRUB_MENDER_GRUBENV='${store}' exec '${join(share, name)}' "$@"`, 'real');
    await layGrubEnvironment(store, first, join(this.bin, 'grub-editenv'));
  }

  /** A tool that no test has meddled with. */
  #real(name: string): string {
    return join(this.folder, 'real', name);
  }

  async #script(name: string, body: string, under = 'bin'): Promise<void> {
    const file = join(this.folder, under, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `#!/bin/sh\n${body}\n`);
    await chmod(file, 0o755);
  }
}

/** The folders of this machine's `/`, empty, and its links. */
async function mirrorTop(tree: string): Promise<void> {
  for (const entry of await readdir('/', { withFileTypes: true })) {
    if (entry.isDirectory()) await mkdir(join(tree, entry.name));
    else if (entry.isSymbolicLink()) await symlink(await readlink(join('/', entry.name)), join(tree, entry.name));
  }
}

/** Both copies of the environment that GRUB reads, as an image is delivered with them. */
export async function layGrubEnvironment(
  folder: string,
  variables: Readonly<Record<string, string>>,
  grubEditenv: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const edit = (file: string, ...args: string[]) => run(grubEditenv, [file, ...args], { env });
  for (const name of ['mender_grubenv1', 'mender_grubenv2']) {
    const copy = join(folder, name);
    await mkdir(copy, { recursive: true });
    await edit(join(copy, 'env'), 'create');
    await edit(join(copy, 'env'), 'set', ...Object.entries(variables).map(([key, value]) => `${key}=${value}`));
    await edit(join(copy, 'lock'), 'create');
    await edit(join(copy, 'lock'), 'set', 'editing=0');
    const { stdout } = await run('sha256sum', ['lock'], { cwd: copy });
    await writeFile(join(copy, 'lock.sha256sum'), stdout);
  }
}
