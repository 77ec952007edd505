import { readFileSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { CodedError } from '#base/errors';

/** One of the two places of a root file system. */
export interface Partition {
  /** Path of its device. */
  readonly device: string;
  /** As the boot loader names it: the digits at the end of that path. */
  readonly number: number;
  /** A volume of raw flash, written in its own way. */
  readonly ubi: boolean;
}

/** Where the kernel says what runs. */
export interface System {
  readonly root: string;
  readonly commandLine: string;
  readonly mounts: string;
  /** Names of UBI volumes: a folder each, with a file `name`. */
  readonly ubi: string;
}

export const thisSystem: System = {
  root: '/',
  commandLine: '/proc/cmdline',
  mounts: '/proc/self/mounts',
  ubi: '/sys/class/ubi',
};

/** Paths that are only a name for the partition, and whose end is not its number. */
const aliases = /^\/dev\/(root$|disk\/by-partuuid\/|disk\/by-partlabel\/)/;

/** The two partitions of the configuration. Throws `rootfs_config` when they are not usable as such. */
export function partitionsOf(config: {
  readonly RootfsPartA?: string;
  readonly RootfsPartB?: string;
}): readonly [Partition, Partition] {
  const { RootfsPartA, RootfsPartB } = config;
  if (!RootfsPartA || !RootfsPartB)
    throw new CodedError(
      'rootfs_config',
      'RootfsPartA and RootfsPartB are not set in mender.conf: this device cannot take a root file system',
    );
  const [a, b] = [partition('RootfsPartA', RootfsPartA), partition('RootfsPartB', RootfsPartB)];
  if (a.number === b.number || a.device === b.device)
    throw new CodedError(
      'rootfs_config',
      `RootfsPartA (${a.device}) and RootfsPartB (${b.device}) have the same number: they must be two partitions`,
    );
  return [a, b];
}

function partition(key: string, configured: string): Partition {
  const path = configured.startsWith('ubi') ? `/dev/${configured}` : configured;
  let device = path;
  if (aliases.test(path)) {
    try {
      device = resolve(dirname(path), readlinkSync(path));
    } catch (error) {
      throw new CodedError('rootfs_config', `${key}: there is no ${path}`, { cause: error });
    }
  }
  const digits = /\d+$/.exec(device)?.[0];
  if (digits === undefined)
    throw new CodedError('rootfs_config', `${key}: ${device} does not end in the number of a partition`);
  return { device, number: Number(digits), ubi: basename(device).startsWith('ubi') };
}

/** Which of the two runs now, whatever the boot loader believes. Undefined: neither, as far as can be told. */
export function runningPartition(
  both: readonly [Partition, Partition],
  system: System = thisSystem,
): Partition | undefined {
  const { dev } = statSync(system.root);
  const kernelRoot = rootArgument(readFileSync(system.commandLine, 'utf8'));
  const mounted = rootMount(readFileSync(system.mounts, 'utf8'));
  return (
    // Device numbers of `/` cannot lie; what is mounted over the real root (an overlay, a RAM disk) has others.
    both.find((one) => !one.ubi && deviceNumber(one.device) === dev) ??
    both.find((one) => !one.ubi && kernelRoot !== undefined && isDevice(one, kernelRoot)) ??
    both.find(
      (one) => one.ubi && [mounted, kernelRoot].some((source) => source !== undefined && isVolume(one, source, system)),
    )
  );
}

/** Undefined: there is no such device. */
export function deviceNumber(device: string): number | undefined {
  try {
    const { rdev } = statSync(device);
    return rdev === 0 ? undefined : rdev;
  } catch {
    return undefined;
  }
}

/** The value of `root=`; the last one counts, as for the kernel. */
const rootArgument = (line: string): string | undefined =>
  line
    .trim()
    .split(/\s+/)
    .findLast((word) => word.startsWith('root='))
    ?.slice('root='.length);

/** The source of the mount at `/`; the last one counts. */
const rootMount = (mounts: string): string | undefined =>
  mounts
    .split('\n')
    .map((line) => line.split(' '))
    .findLast(([, place]) => place === '/')?.[0];

const links: Readonly<Record<string, string>> = {
  PARTUUID: 'by-partuuid',
  PARTLABEL: 'by-partlabel',
  UUID: 'by-uuid',
  LABEL: 'by-label',
};

function isDevice({ device }: Partition, argument: string): boolean {
  const [, kind = '', name = ''] = /^([A-Z]+)=(.+)$/.exec(argument) ?? [];
  const path = Object.hasOwn(links, kind) ? `/dev/disk/${links[kind]}/${name.replaceAll('"', '')}` : argument;
  return path === device || sameFile(path, device);
}

function sameFile(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}

/** The kernel takes `ubi0_1`, `ubi0:name` and the path of either. */
function isVolume({ device }: Partition, source: string, system: System): boolean {
  const volume = basename(device);
  const said = source.startsWith('/dev/') ? basename(source) : source;
  if (said === volume) return true;
  const [, container, name] = /^(ubi\d+):(.+)$/.exec(said) ?? [];
  if (container === undefined || !volume.startsWith(`${container}_`)) return false;
  try {
    return readFileSync(resolve(system.ubi, volume, 'name'), 'utf8').trim() === name;
  } catch {
    return false;
  }
}
