import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { type Wanted, wanted } from '../wanted.ts';
import { parseVariables, seconds, type Variables } from './variables.ts';

/** The global settings (add-ons.md §6.3), by what they do here. Times in seconds. */
export interface MonitorSettings {
  readonly alertPath: string;
  /** Of checks of types that have no default of their own. */
  readonly level: Wanted;
  readonly serviceLevel: Wanted;
  readonly logLevel: Wanted;
  readonly dbusLevel: Wanted;
  readonly linesBefore: number;
  readonly linesAfter: number;
  /** 0: an alert stays until somebody sends an OK by hand. */
  readonly logExpires: number;
  readonly dbusExpires: number;
  readonly flappingInterval: number;
  readonly flappingCount: number;
  readonly storeCount: number;
  readonly storeAge: number;
  readonly resendInterval: number;
  readonly resendMaxInterval: number;
  readonly configPushInterval: number;
  /** Ours: of checks that look, and of custom subsystems. */
  readonly every: number;
  readonly monitorFolder: string;
}

const names = {
  number: {
    DEFAULT_LOG_LINES_BEFORE: ['linesBefore', 0, 500],
    DEFAULT_LOG_LINES_AFTER: ['linesAfter', 0, 500],
    DEFAULT_LOG_PATTERN_EXPIRATION_SECONDS: ['logExpires', 0, 31_536_000],
    DEFAULT_DBUS_ALERT_EXPIRATION_SECONDS: ['dbusExpires', 0, 31_536_000],
    FLAPPING_INTERVAL: ['flappingInterval', 1, 86_400],
    FLAPPING_COUNT_THRESHOLD: ['flappingCount', 1, 1000],
    ALERT_OFFLINE_STORE_MAX_COUNT: ['storeCount', 1, 1_000_000],
    ALERT_STORE_MAX_RECORD_AGE_S: ['storeAge', 60, 315_360_000],
    DEFAULT_ALERT_STORE_RESEND_INTERVAL_S: ['resendInterval', 1, 86_400],
    SEND_ALERT_MAX_INTERVAL_S: ['resendMaxInterval', 1, 86_400],
    CONFPUSH_INTERVAL: ['configPushInterval', 10, 604_800],
    DEFAULT_CHECK_INTERVAL: ['every', 5, 86_400],
  },
  level: {
    DEFAULT_ALERT_LEVEL: 'level',
    DEFAULT_SERVICE_ALERT_LEVEL: 'serviceLevel',
    DEFAULT_LOG_ALERT_LEVEL: 'logLevel',
    DEFAULT_DBUS_ALERT_LEVEL: 'dbusLevel',
  },
} as const;

/**
 * Taken without a word and without an effect. Of the reference's daemon the log is its own, here it is Connect's; and it
 * keeps the changes of a check in a file, here they are in memory and no older than the interval of flapping.
 */
const without = new Set(['CONFIG_LOG_LEVEL', 'DAEMON_LOG_FILE', 'ALERT_LOG_MAX_AGE']);

export const defaultSettings = (folder: string): MonitorSettings => ({
  alertPath: '/api/devices/v1/devicemonitor/alert',
  level: 'CRITICAL',
  serviceLevel: 'CRITICAL',
  logLevel: 'CRITICAL',
  dbusLevel: 'CRITICAL',
  linesBefore: 30,
  linesAfter: 30,
  logExpires: 0,
  dbusExpires: 0,
  flappingInterval: 60,
  flappingCount: 5,
  storeCount: 10_000,
  storeAge: 30 * 86_400,
  resendInterval: 10,
  resendMaxInterval: 600,
  configPushInterval: 3600,
  every: 30,
  monitorFolder: join(folder, 'monitor.d'),
});

/** The files of settings, the later over the earlier. */
export const settingsFiles = (library: string, folder: string): string[] => [
  join(library, 'config', 'config.sh'),
  join(folder, 'config.sh'),
];

/** Reads them; what cannot be used is said, and its default stays. */
export function readSettings(library: string, folder: string, log: Log): MonitorSettings {
  const found = new Map<string, string>();
  for (const file of settingsFiles(library, folder)) {
    try {
      for (const [key, value] of parseVariables(readFileSync(file, 'utf8'), found)) found.set(key, value);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') log.error('settings not read', { file, error: messageOf(error) });
    }
  }
  return settingsOf(found, folder, log);
}

function settingsOf(variables: Variables, folder: string, log: Log): MonitorSettings {
  const settings: Record<string, unknown> = { ...defaultSettings(folder) };
  for (const [key, value] of variables) {
    const number = (names.number as Record<string, readonly [string, number, number]>)[key];
    const level = (names.level as Record<string, string>)[key];
    if (number) {
      const [to, least, most] = number;
      const count = seconds(value);
      if (count !== undefined && count >= least && count <= most) settings[to] = count;
      else log.warn('setting ignored', { key, value, why: `a number from ${least} to ${most} is wanted` });
    } else if (level) {
      if ((wanted as readonly string[]).includes(value)) settings[level] = value;
      else log.warn('setting ignored', { key, value, why: `${wanted.join(' or ')} is wanted` });
    } else if (key === 'MONITOR_D_DIRECTORY' && value.startsWith('/')) settings['monitorFolder'] = value;
    else if (key === 'ALERT_URL') {
      // The server is the device's own, which its client knows; of the URL only the path can be another.
      const path = /^(?:https?:\/\/[^/]+)?(\/[^?#]*)$/.exec(value)?.[1];
      if (path) settings['alertPath'] = path;
      else log.warn('setting ignored', { key, value, why: 'a path, or a URL with a path, is wanted' });
    } else if (!without.has(key)) log.warn('setting ignored', { key, why: 'there is no such setting' });
  }
  return settings as unknown as MonitorSettings;
}
