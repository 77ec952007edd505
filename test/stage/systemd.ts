// A device as systemd runs it: a small Debian of its own in namespaces, with systemd as its first process, a system bus and
// a journal. What is done in it is gone with it; the root directory that it begins from is made once and kept.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { describeWhere } from '#base/where.testing';
import { debian, peer } from '../peers.ts';
import { bridge, bridgeProgram } from './bridge.ts';
import { eventually } from './program.ts';

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** What `unshare` and `nsenter` are told: everything but users. */
const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup'];
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Runs in the new namespaces: lays the root, and becomes systemd. What the device writes is in memory, above the root that
 * all share. $1: where to mount; $2: that root; $3: `v1` or `v2`, what control groups the machine has.
 */
const begin = `set -e
mount -t tmpfs -o mode=755 device "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" device "$1/root"
cd "$1/root"
mount -t proc proc proc
# What the kernel is told here would hold for the whole machine.
for place in sys sysrq-trigger; do
  [ -e "proc/$place" ] || continue
  mount --bind "proc/$place" "proc/$place"
  mount -o remount,bind,ro "proc/$place"
done
mount -t sysfs -o ro sys sys
mount -t tmpfs -o mode=755 dev dev
for node in null zero full random urandom tty; do
  : >"dev/$node"
  mount --bind "/dev/$node" "dev/$node"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 pts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
mount -t tmpfs -o mode=1777 shm dev/shm
mount -t tmpfs -o mode=755 run run
if [ "$3" = v2 ]; then
  mount -t cgroup2 cgroup sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 cgroup sys/fs/cgroup
  mkdir sys/fs/cgroup/systemd
  mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
fi
mkdir -p mnt
pivot_root . mnt
cd /
umount -l mnt
exec env -i container=patchbay PATH=${path} /sbin/init systemd.unit=multi-user.target systemd.show_status=no
`;

/** Where the machine keeps its control groups, and of which kind they are. */
function controlGroups(): { folder: string; kind: 'v1' | 'v2' } | undefined {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return { folder: '/sys/fs/cgroup', kind: 'v2' };
  if (existsSync('/sys/fs/cgroup/systemd/cgroup.procs')) return { folder: '/sys/fs/cgroup/systemd', kind: 'v1' };
  return undefined;
}

/** A running device. */
export class SystemdDevice implements AsyncDisposable {
  readonly #folder: string;
  readonly #group: string;
  readonly #outer: ChildProcess;
  /** Of the device's first process, as this machine counts. */
  readonly pid: number;
  readonly #stack = new AsyncDisposableStack();

  private constructor(folder: string, group: string, outer: ChildProcess, pid: number) {
    this.#folder = folder;
    this.#group = group;
    this.#outer = outer;
    this.pid = pid;
  }

  /** Starts one, up to `multi-user.target`. */
  static async boot(): Promise<SystemdDevice> {
    const root = await peer(debian);
    const groups = controlGroups();
    if (groups === undefined) throw new Error('there are no control groups in /sys/fs/cgroup');
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-systemd-'));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const mount = join(folder, 'device');
    await mkdir(mount);
    const group = join(groups.folder, folder.slice(folder.lastIndexOf('/') + 1));
    await mkdir(group);
    stack.defer(() => removeGroup(group));
    // It waits until it is in its control group: the namespace is rooted where a process is when it makes one.
    const enter = ['-c', 'read -r _ && exec "$@"', 'sh', 'unshare', '--fork', '--kill-child', ...namespaces];
    const outer = spawn('sh', [...enter, 'sh', '-c', begin, 'sh', mount, root, groups.kind], { stdio: 'pipe' });
    const ended = once(outer, 'exit');
    stack.defer(async () => {
      outer.kill('SIGKILL');
      await ended;
    });
    outer.stdout.resume();
    const complaint = buffer(outer.stderr);
    await writeFile(join(group, 'cgroup.procs'), String(outer.pid));
    outer.stdin.end('\n');
    const pid = await Promise.race([
      eventually('systemd is process 1', () => firstProcess(outer.pid!), 20_000),
      ended.then(async () => await Promise.reject(new Error(`no device starts here: ${String(await complaint)}`))),
    ]);
    const device = new SystemdDevice(folder, group, outer, pid);
    await eventually('multi-user.target is reached', () => device.#isUp(), 60_000);
    stack.move();
    return device;
  }

  /** Runs a program in the device as root, to its end. */
  async run(program: string, args: readonly string[] = [], input: string | Buffer = ''): Promise<Ran> {
    // A session of its own: what it does to its process group, such as `kill 0`, stays in there.
    const how = { stdio: 'pipe', env: { PATH: path, HOME: '/root' }, detached: true } as const;
    const child = spawn(...this.command(program, args), how);
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const [out, err, code] = await Promise.all([
      buffer(child.stdout),
      buffer(child.stderr),
      new Promise<number | null>((resolve, reject) => child.once('exit', resolve).once('error', reject)),
    ]);
    return { code, out: String(out), err: String(err) };
  }

  /** Runs a program that must succeed; what it said. */
  async succeed(program: string, ...args: string[]): Promise<string> {
    const { code, out, err } = await this.run(program, args);
    if (code !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${err}${out}`);
    return out;
  }

  /** A command of this machine that runs a program in the device, for whoever starts it himself. */
  command(program: string, args: readonly string[]): [string, string[]] {
    return ['nsenter', ['--target', String(this.pid), ...namespaces, '--wd=/', '--', program, ...args]];
  }

  /** Where a file of the device is on this machine. */
  path(file: string): string {
    return join('/proc', String(this.pid), 'root', file);
  }

  /** Puts a file there, with the folders above it. */
  async write(file: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    await mkdir(join(this.path(file), '..'), { recursive: true });
    await writeFile(this.path(file), content, { mode });
  }

  /** Copies a file of this machine there; a large one is no burden. */
  async copyIn(from: string, to: string): Promise<void> {
    await this.write(to, await readFile(from));
  }

  /** The journal, or the part of one unit: messages without their dates. */
  async journal(unit?: string): Promise<string> {
    return await this.succeed('journalctl', '--no-pager', '--output=cat', ...(unit ? ['--unit', unit] : []));
  }

  /** A property of a unit, such as `ActiveState` or `MainPID`. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.succeed('systemctl', 'show', `--property=${name}`, '--value', unit)).trim();
  }

  /** Waits until a unit is active. */
  async active(unit: string, timeout = 60_000): Promise<void> {
    const state = async () => (await this.property(unit, 'ActiveState')) === 'active';
    await eventually(`${unit} is active`, state, timeout).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await this.succeed('journalctl', '--no-pager', '--lines=40')}`);
    });
  }

  /** A server on this machine's loopback is reached by the same URL from inside. */
  async reaches(url: string): Promise<void> {
    const port = Number(new URL(url).port);
    const socket = join(this.#folder, `port-${port}`);
    this.#stack.use(await bridge(socket, port));
    const inside = (program: string, args: readonly string[]): [string, string[]] => [
      'nsenter',
      ['--target', String(this.pid), '--net', '--', program, ...args],
    ];
    this.#stack.use(await bridgeProgram(port, socket, inside));
  }

  /** Ends as a machine that is switched off in order; what does not end then, is ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#outer, 'exit');
    if (this.#outer.exitCode === null && this.#outer.signalCode === null) {
      process.kill(this.pid, haltSignal);
      const late = setTimeout(() => this.#outer.kill('SIGKILL'), 20_000);
      await ended;
      clearTimeout(late);
    }
    await this.#stack.disposeAsync();
    await removeGroup(this.#group);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #isUp(): Promise<boolean> {
    const { out } = await this.run('systemctl', ['is-active', 'multi-user.target']);
    return out.trim() === 'active';
  }
}

/** SIGRTMIN+3 asks systemd to halt; Node has no name for it. */
const haltSignal = 37;

/** The child of `unshare`, once it is systemd. */
async function firstProcess(outer: number): Promise<number | undefined> {
  const [child] = (await readFile(`/proc/${outer}/task/${outer}/children`, 'utf8')).trim().split(' ');
  if (!child) return undefined;
  return (await readFile(`/proc/${child}/comm`, 'utf8')) === 'systemd\n' ? Number(child) : undefined;
}

/** A control group with all below it; its processes have ended, which it learns a moment later. */
async function removeGroup(group: string): Promise<void> {
  await eventually(`${group} is empty`, async () => {
    await removeGroups(group);
    return true;
  });
}

async function removeGroups(group: string): Promise<void> {
  for (const entry of await readdir(group, { withFileTypes: true }))
    if (entry.isDirectory()) await removeGroups(join(group, entry.name));
  await rmdir(group);
}

/** A suite with devices as systemd runs them. Where there can be none it is skipped and says why; in CI that is a failure. */
export async function describeSystemd(title: string, suite: () => void): Promise<void> {
  describeWhere(title, await obstacle(), suite);
}

async function obstacle(): Promise<string | undefined> {
  if (userInfo().uid !== 0) return 'only root makes the namespaces of a device';
  if (controlGroups() === undefined) return 'there are no control groups in /sys/fs/cgroup';
  try {
    await peer(debian);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
