import { readdirSync, readFileSync, statfsSync } from 'node:fs';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import type { Check } from '../check.ts';
import type { Finding } from './judge.ts';
import { compilePattern } from './pattern.ts';
import { cleaned } from './programs.ts';
import { unknown, well, type Watched } from './watched.ts';

export type CheckOf<T extends Check['type']> = Extract<Check, { type: T }>;

/** Where the kernel says what it knows; another in tests. */
export interface Kernel {
  readonly proc: string;
  readonly sys: string;
}

const percent = (share: number): string => `${Math.round(share * 10) / 10}%`;

/** Over the limit or not; what is measured has a little way to go back, so that it does not go up and down at the limit. */
function limited(level: Finding['level'], status: string): (over: boolean, description: string) => Finding {
  return (over, description) => (over ? { level, status, description } : well('ok', description));
}

/** How full a file system is, as `df` says it: of what a user who is not root can have. */
export function disk(check: CheckOf<'disk'>): Watched {
  const { path = '/', percent: limit = 80, level = 'CRITICAL' } = check;
  const verdict = limited(level, 'DISKUSAGE_USAGE_WARNING');
  const title = `Disk storage has grown to fill more than ${limit}% of the disk '${path}'`;
  return {
    title,
    flappingTitle: `Disk storage of '${path}' going up and down`,
    subject: { name: path, type: 'disk' },
    look() {
      const { blocks, bfree, bavail, bsize } = statfsSync(path);
      const used = blocks - bfree;
      if (used + bavail === 0) return unknown(`${path} has no size`);
      const share = (100 * used) / (used + bavail);
      const free = `${Math.round((bavail * bsize) / 1024 / 1024)} MiB free`;
      return verdict(
        share > limit,
        `Disk ${path} is at ${percent(share)} of its capacity, ${free}; the limit is ${limit}%`,
      );
    },
  };
}

export function memory(check: CheckOf<'memory'>, kernel: Kernel): Watched {
  const { percent: limit = 90, level = 'CRITICAL' } = check;
  const verdict = limited(level, 'MEMORY_USAGE_WARNING');
  return {
    title: `More than ${limit}% of the memory is used`,
    flappingTitle: 'Use of memory going up and down',
    subject: { name: 'memory', type: 'memory' },
    look() {
      const text = readFileSync(join(kernel.proc, 'meminfo'), 'latin1');
      const field = (key: string): number => Number(new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1]);
      const [total, available] = [field('MemTotal'), field('MemAvailable')];
      if (!(total > 0) || Number.isNaN(available))
        return unknown('the kernel does not say how much memory is available');
      const share = 100 - (100 * available) / total;
      return verdict(
        share > limit,
        `${percent(share)} of ${Math.round(total / 1024)} MiB are used, ${Math.round(available / 1024)} MiB available; the limit is ${limit}%`,
      );
    },
  };
}

export function load(check: CheckOf<'load'>): Watched {
  const { load: limit = 2, level = 'CRITICAL' } = check;
  const verdict = limited(level, 'LOAD_WARNING');
  return {
    title: `Load is above ${limit} per processor`,
    flappingTitle: 'Load going up and down',
    subject: { name: 'load', type: 'load' },
    look() {
      const processors = availableParallelism();
      const now = (loadavg()[1] ?? 0) / processors;
      return verdict(
        now > limit,
        `Load of five minutes is ${now.toFixed(2)} on each of ${processors} processors; the limit is ${limit}`,
      );
    },
  };
}

export function temperature(check: CheckOf<'temperature'>, kernel: Kernel): Watched {
  const { sensor, celsius: limit = 80, level = 'CRITICAL' } = check;
  const verdict = limited(level, 'TEMPERATURE_WARNING');
  const which = sensor ?? 'the hottest sensor';
  const folder = join(kernel.sys, 'class', 'thermal');
  return {
    title: `Temperature of ${which} is above ${limit} °C`,
    flappingTitle: `Temperature of ${which} going up and down`,
    subject: { name: sensor ?? 'temperature', type: 'temperature' },
    look() {
      let hottest: { type: string; value: number } | undefined;
      for (const zone of readdirSync(folder).filter((name) => name.startsWith('thermal_zone'))) {
        const read = (name: string): string => readFileSync(join(folder, zone, name), 'latin1').trim();
        try {
          const type = read('type');
          if (sensor !== undefined && type !== sensor) continue;
          const value = Number(read('temp')) / 1000;
          if (Number.isFinite(value) && !(hottest && hottest.value >= value)) hottest = { type, value };
        } catch {
          // A zone that is asleep answers with an error; the others count.
        }
      }
      if (!hottest)
        return unknown(
          sensor ? `there is no sensor ${sensor} that says anything` : 'there is no sensor that says anything',
        );
      const { type, value } = hottest;
      return verdict(value > limit, `${type} is at ${value.toFixed(1)} °C; the limit is ${limit} °C`);
    },
  };
}

export function processes(check: CheckOf<'process'>, kernel: Kernel): Watched {
  const { process: comm, pattern, min = 1, max = Number.POSITIVE_INFINITY, level = 'CRITICAL' } = check;
  const what = comm ?? pattern ?? '';
  const matches = pattern === undefined ? undefined : compilePattern(pattern);
  const title =
    max === Number.POSITIVE_INFINITY && min === 1
      ? `Process ${what} not running`
      : `Number of processes ${what} is not ${range(min, max)}`;
  return {
    title,
    flappingTitle: `Process ${what} going up and down`,
    subject: { name: what, type: 'process' },
    look() {
      let count = 0;
      for (const pid of readdirSync(kernel.proc)) {
        if (!/^\d+$/.test(pid)) continue;
        try {
          // The kernel cuts a name after 15 bytes.
          if (
            comm !== undefined &&
            readFileSync(join(kernel.proc, pid, 'comm'), 'utf8').trimEnd() !== comm.slice(0, 15)
          )
            continue;
          if (/^[^)]*\) Z/.test(readFileSync(join(kernel.proc, pid, 'stat'), 'latin1'))) continue;
          if (matches && !matches(commandLine(join(kernel.proc, pid, 'cmdline')))) continue;
          count += 1;
        } catch {
          // It has ended meanwhile.
        }
      }
      const description = `${count} of ${what} are running; wanted: ${range(min, max)}`;
      return count >= min && count <= max
        ? well('running', description)
        : { level, status: count === 0 ? 'not-running' : 'count', description };
    },
  };
}

const range = (min: number, max: number): string => {
  if (max === Number.POSITIVE_INFINITY) return `at least ${min}`;
  return min === max ? `${min}` : `${min} to ${max}`;
};

const commandLine = (file: string): string =>
  cleaned(readFileSync(file, 'utf8').slice(0, 8192).replace(/\0$/, '').replaceAll('\0', ' '));
