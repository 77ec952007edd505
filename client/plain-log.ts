import { logLevels, type Log, type LogLevel } from '#base/log';

type Fields = Readonly<Record<string, unknown>>;

/** A log for whoever has typed the command: one line of text each on standard error, what went wrong before all else. */
export function plainLog(level: LogLevel): Log {
  const at = (own: LogLevel, prefix = '') =>
    logLevels.indexOf(own) < logLevels.indexOf(level)
      ? () => undefined
      : (event: string, { error, ...more }: Fields = {}) => {
          const rest = Object.entries(more).map(([key, value]) => `${key} ${text(value)}`);
          const details = rest.length > 0 ? ` (${rest.join(', ')})` : '';
          process.stderr.write(`${prefix}${event}${error === undefined ? '' : `: ${text(error)}`}${details}\n`);
        };
  const log: Log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn', 'warning: '),
    error: at('error'),
    child: () => log,
  };
  return log;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** Two logs that hear the same. */
export const bothLogs = (one: Log, other: Log): Log => ({
  debug: (event, fields) => [one, other].forEach((log) => log.debug(event, fields)),
  info: (event, fields) => [one, other].forEach((log) => log.info(event, fields)),
  warn: (event, fields) => [one, other].forEach((log) => log.warn(event, fields)),
  error: (event, fields) => [one, other].forEach((log) => log.error(event, fields)),
  child: (fields) => bothLogs(one.child(fields), other.child(fields)),
});
