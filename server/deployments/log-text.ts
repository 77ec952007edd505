/** A line of a device's log, as the device sent it (`server-api.md` §1.4). */
export interface LogLine {
  readonly timestamp: string;
  readonly level: string;
  readonly message: string;
}

const rfc3339 = /^(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d\d:\d\d)$/;

/** Whether a text is a time by RFC 3339. */
export const isTime = (text: string): boolean => secondsOf(text) !== undefined;

/** The log as text: `2006-01-02 15:04:05.123 +0000 UTC level: message`, one line each (§2.2). */
export const logText = (lines: readonly LogLine[]): string =>
  lines.map(({ timestamp, level, message }) => `${timeText(timestamp)} ${level}: ${message}\n`).join('');

function timeText(timestamp: string): string {
  const time = secondsOf(timestamp);
  if (!time) return timestamp;
  // The fraction is kept as it came: a device may count in nanoseconds, a Date does not.
  const fraction = time.fraction.replace(/0+$/, '');
  return `${time.date.toISOString().slice(0, 19).replace('T', ' ')}${fraction && `.${fraction}`} +0000 UTC`;
}

function secondsOf(text: string): { date: Date; fraction: string } | undefined {
  const [, seconds, fraction = '', zone] = rfc3339.exec(text) ?? [];
  if (!seconds || !zone) return undefined;
  const date = new Date(`${seconds.replace(/[t ]/, 'T')}${zone.toUpperCase()}`);
  return Number.isNaN(date.getTime()) ? undefined : { date, fraction };
}
