import type { Level } from './alert.ts';
import type { DeviceChecks } from './answers.ts';
import type { Check, ReportedCheck } from './check.ts';

/** How bad, in words. */
export const levelWords: Readonly<Record<Level, string>> = {
  OK: 'OK',
  WARNING: 'Warning',
  CRITICAL: 'Critical',
  CRITICAL_FLAPPING: 'Critical, flapping',
  UNKNOWN: 'Unknown',
};

/** Worst first. */
const worst: readonly Level[] = ['CRITICAL', 'CRITICAL_FLAPPING', 'WARNING', 'UNKNOWN', 'OK'];
export const rankOf = (level: Level): number => worst.indexOf(level);

/** Where checks are given, in words. */
export const originOf = ({
  kind,
  name,
}: {
  readonly kind: 'fleet' | 'group' | 'device';
  readonly name: string;
}): string => (kind === 'group' ? `group ${name}` : kind);

/** What names a check in its place: `disk_root`. */
export const idOf = ({ type, name }: Pick<Check, 'type' | 'name'>): string => `${type}_${name}`;

/** The same of one that a device reports, as its alerts name it: `crond.sh` of type `service` is `service_crond`. */
export function reportedId({ type, name }: Pick<ReportedCheck, 'type' | 'name'>): string {
  const plain = name.replace(/\.sh$/, '');
  return plain === type ? type : `${type}_${plain}`;
}

/** What a device watches that nobody at the server asked it to. */
export function localOf({ checks, reported }: Pick<DeviceChecks, 'checks' | 'reported'>): readonly ReportedCheck[] {
  const asked = new Set(checks.flatMap(({ id, check }) => [id, check.name]));
  return reported.filter(
    ({ name, origin }) => origin === 'local' || (origin === undefined && !asked.has(name.replace(/\.sh$/, ''))),
  );
}

/** What a check is to look at: `path=/ percent=80`. */
export function summaryOf(check: Check): string {
  const { type: _, name: __, ...rest } = check;
  return Object.entries(rest)
    .map(([key, value]) => `${key}=${Array.isArray(value) ? value.join(' ') : String(value)}`)
    .join(' ');
}

/** Whom a silence is for. */
export function silenceOf(
  { device, group, check }: { readonly device?: string; readonly group?: string; readonly check?: string },
  nameOf: (deviceId: string) => string = (id) => id,
): string {
  const places = [
    ...(device === undefined ? [] : [nameOf(device)]),
    ...(group === undefined ? [] : [`group ${group}`]),
    ...(check === undefined ? [] : [`check ${check}`]),
  ];
  return places.join(', ');
}
