import type { CliHost, Style } from '#addon/cli';
import type { Level, LogLine } from '../alert.ts';
import type { Kept, Passed, Silence, Standing } from '../answers.ts';
import { levelWords, silenceOf } from '../words.ts';

type Host = Pick<CliHost, 'stdout' | 'json' | 'list' | 'paint' | 'plain' | 'note'>;
type NameOf = (deviceId: string) => string;

const styles: Readonly<Record<Level, Style>> = {
  OK: 'green',
  WARNING: 'yellow',
  CRITICAL: 'red',
  CRITICAL_FLAPPING: 'red',
  UNKNOWN: 'cyan',
};

export const json = (host: Host, value: unknown): void => void host.stdout.write(`${JSON.stringify(value, null, 2)}\n`);

/** What people type of an id. */
export const short = (id: string): string => id.slice(0, 8);

/** What is not OK; `json`: each with the name of its device. */
export function standing(host: Host, found: readonly Standing[], nameOf: NameOf, none: string): void {
  host.list(
    found.map((one) => ({ ...one, device: nameOf(one.device_id) })),
    [
      { head: 'ID', of: ({ alert_id }) => short(alert_id), paint: (cell) => host.paint('dim', cell) },
      {
        head: 'LEVEL',
        of: ({ level }) => levelWords[level],
        paint: (cell, { level }) => host.paint(styles[level], cell),
      },
      { head: 'DEVICE', of: ({ device }) => device, paint: (cell) => host.paint('bold', cell) },
      { head: 'CHECK', of: ({ check }) => check },
      { head: 'ALERT', of: ({ name }) => name },
      { head: 'SINCE', of: ({ since }) => since },
      { head: 'STATE', of: stateOf },
    ],
    none,
  );
}

/** What becomes of it, in words. */
export function stateOf({ state, acknowledged, silence }: Standing): string {
  if (state === 'silenced') return `silenced until ${silence?.ends ?? '?'}`;
  if (!acknowledged) return state;
  const { by, note } = acknowledged;
  return `${by}${note === '' ? '' : `: ${note}`}`;
}

const levelColumn = {
  head: 'LEVEL',
  of: ({ level }: Kept) => levelWords[level],
} as const;

/** Of one device, by its clock. */
export function history(host: Host, found: readonly Kept[]): void {
  host.list(
    found,
    [
      { head: 'ID', of: ({ id }) => short(id), paint: (cell) => host.paint('dim', cell) },
      { head: 'TIME', of: ({ timestamp }) => timestamp },
      { ...levelColumn, paint: (cell, { level }) => host.paint(styles[level], cell) },
      { head: 'CHECK', of: ({ check = '-' }) => check },
      { head: 'ALERT', of: ({ name }) => name },
    ],
    'no alerts',
  );
}

/** Of all devices, by when it came; `json`: each with the name of its device. */
export function passed(host: Host, found: readonly Passed[], nameOf: NameOf): void {
  host.list(
    found.map((one) => ({ ...one, device: nameOf(one.device_id) })),
    [
      { head: 'ID', of: ({ id }) => short(id), paint: (cell) => host.paint('dim', cell) },
      { head: 'CAME', of: ({ received }) => received },
      { ...levelColumn, paint: (cell, { level }) => host.paint(styles[level], cell) },
      { head: 'DEVICE', of: ({ device }) => device, paint: (cell) => host.paint('bold', cell) },
      { head: 'CHECK', of: ({ check = '-' }) => check },
      { head: 'ALERT', of: ({ name }) => name },
    ],
    'no alerts',
  );
}

/** All of one alert, log lines and all. */
export function alert(host: Host, kept: Kept, device: string, now: Standing | undefined): void {
  if (host.json) return json(host, { ...kept, device, ...(now ? { now } : {}) });
  const { subject, level } = kept;
  const { details = {} } = subject;
  const rows: (readonly [string, string])[] = [
    ['Alert', kept.name],
    ['Level', levelWords[level]],
    ['Device', `${device} (${kept.device_id})`],
    ['Check', now?.check ?? kept.check ?? '-'],
    ['Time', `${kept.timestamp} (of the device)`],
    ...(now ? ([['Since', now.since]] as const) : []),
    ['State', now ? stateOf(now) : level === 'OK' ? 'well' : 'over'],
    ['Subject', `${subject.type} ${subject.name}: ${subject.status}`],
    ['Id', kept.id],
  ];
  for (const [head, text] of rows) {
    const told = host.plain(text);
    host.stdout.write(`${`${head}:`.padEnd(9)}${head === 'Level' ? host.paint(styles[level], told) : told}\n`);
  }
  if (details.description) host.stdout.write(`\n${linesOf(host, details.description)}\n`);
  if (!details.line_matching) return;
  host.stdout.write('\n');
  for (const line of details.lines_before ?? []) logLine(host, line, ' ');
  logLine(host, details.line_matching, '>');
  for (const line of details.lines_after ?? []) logLine(host, line, ' ');
}

function logLine(host: Host, { line_number: number, data }: LogLine, mark: ' ' | '>'): void {
  const line = `${mark} ${String(number ?? '').padStart(6)}  ${host.plain(data)}`;
  host.stdout.write(`${mark === '>' ? host.paint('red', line) : line}\n`);
}

const linesOf = (host: Host, text: string): string => text.split('\n').map(host.plain).join('\n');

export function silences(host: Host, found: readonly Silence[], nameOf: NameOf): void {
  host.list(
    found,
    [
      { head: 'ID', of: ({ id }) => short(id), paint: (cell) => host.paint('dim', cell) },
      { head: 'OF', of: (silence) => silenceOf(silence, nameOf), paint: (cell) => host.paint('bold', cell) },
      { head: 'FROM', of: ({ starts }) => starts },
      { head: 'UNTIL', of: ({ ends }) => ends },
      {
        head: 'STATE',
        of: ({ active, ends, ended_by: by }) =>
          by !== undefined
            ? `ended by ${by}`
            : active
              ? 'in force'
              : Date.parse(ends) <= Date.now()
                ? 'over'
                : 'to come',
      },
      { head: 'BY', of: ({ created_by }) => created_by },
      { head: 'REASON', of: ({ reason }) => reason },
    ],
    'no silences',
  );
}

/** One change, as `watch` tells it: a line for a person, an object for a script. */
export function change(
  host: Host,
  what: 'alert' | 'over' | 'acknowledged' | 'silenced' | 'open',
  {
    device,
    level,
    ...told
  }: { device: string; level: Level; device_id: string; check: string; name: string; timestamp: string },
  more = '',
): void {
  if (host.json) return void host.stdout.write(`${JSON.stringify({ event: what, device, level, ...told })}\n`);
  const word = what === 'alert' || what === 'over' ? levelWords[level] : what;
  const style = what === 'alert' || what === 'over' ? styles[level] : 'dim';
  const end = more === '' ? '' : `  ${host.paint('dim', host.plain(more))}`;
  const { timestamp, name } = told;
  host.stdout.write(
    `${host.plain(timestamp)}  ${host.paint(style, word.padEnd(18))}  ${host.paint('bold', host.plain(device))}  ${host.plain(name)}${end}\n`,
  );
}
