import { type Command, InvalidArgumentError, Option } from 'commander';
import { CodedError } from '#base/errors';
import type { Host } from './host.ts';
import { type Level, levels } from '../alert.ts';

/** What is looked for, as the server asks for it. */
export interface Filter {
  readonly device?: string;
  readonly group?: string;
  readonly level?: string;
  readonly check?: string;
  readonly state?: 'open' | 'acknowledged' | 'silenced';
}

/** As a person gives it. */
export interface FilterOptions {
  readonly device?: string;
  readonly group?: string;
  readonly level?: readonly Level[];
  readonly check?: string;
}

/** Options that say which alerts are meant. */
export const filtered = (command: Command): Command =>
  command
    .option('--device <device>', 'of this device: id, name or a unique prefix of it')
    .option('--group <group>', 'of the devices of this group')
    .option('--level <level>', 'of this level: warning, critical, … (may be repeated)', levelsOf)
    .option('--check <check>', 'of this check, such as disk_root; disk_* for all that begin so');

/** What they mean to the server; the device is looked up. */
export async function filterOf(host: Host, { device, group, level, check }: FilterOptions): Promise<Filter> {
  return {
    ...(device === undefined ? {} : { device: (await host.resolveDevice(device)).id }),
    ...(group === undefined ? {} : { group }),
    ...(level === undefined ? {} : { level: level.join(',') }),
    ...(check === undefined ? {} : { check }),
  };
}

/** One more level; `critical` is both that and going up and down. */
export function levelsOf(given: string, before: readonly Level[] = []): Level[] {
  const word = given.toUpperCase().replaceAll(/[ -]/g, '_');
  if (word === 'CRITICAL') return [...before, 'CRITICAL', 'CRITICAL_FLAPPING'];
  if ((levels as readonly string[]).includes(word) && word !== 'OK') return [...before, word as Level];
  throw new InvalidArgumentError('It is one of warning, critical, critical_flapping, unknown.');
}

/** `90s`, `15m`, `2h`, `1d12h`, `1w`: seconds. */
export function seconds(given: string): number {
  const units = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const;
  const parts = [...given.matchAll(/(\d+)([smhdw])/g)];
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== given)
    throw new InvalidArgumentError('It is a time such as 90s, 15m, 2h, 1d12h.');
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * units[unit as keyof typeof units], 0);
}

/** A time that was so long ago (`2h`), or a day or time as ISO 8601 has it. */
export function moment(given: string): string {
  if (/^(\d+[smhdw])+$/.test(given)) return new Date(Date.now() - seconds(given) * 1000).toISOString();
  const time = Date.parse(given);
  if (!/^\d{4}-\d\d-\d\d/.test(given) || !Number.isFinite(time))
    throw new InvalidArgumentError('It is a time ago, such as 2h, or a time such as 2026-11-28T14:00:00Z.');
  return new Date(time).toISOString();
}

/** A whole number from 1. */
export function count(given: string): number {
  const number = Number(given);
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It is a whole number from 1.');
  return number;
}

/** An option that may be given several times. */
export const several = (given: string, before: readonly string[] = []): string[] => [...before, given];

export const stateOption = (): Option =>
  new Option('--state <state>', 'only those').choices(['open', 'acknowledged', 'silenced']);

/** The one that is meant by an id, a beginning of it that only it has, or another name of it. */
export function only<T>(all: readonly T[], wanted: string, namesOf: (one: T) => readonly string[], what: string): T {
  const exact = all.filter((one) => namesOf(one).includes(wanted));
  const found = exact.length > 0 ? exact : all.filter((one) => namesOf(one)[0]?.startsWith(wanted));
  const [first, second] = found;
  if (!first) throw new CodedError('failed', `there is no ${what} ${wanted}`);
  if (second) throw new CodedError('failed', `${wanted} may be any of ${found.length} ${what}s: write more of it`);
  return first;
}

export const usage = (message: string): CodedError => new CodedError('usage', message);
