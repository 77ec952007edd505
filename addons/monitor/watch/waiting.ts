import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { silentLog } from '#base/log';
import type { Device } from '#addon/device';
import { Assigned } from './assigned.ts';
import { FolderWatch } from './folders.ts';
import type { MonitorConfig } from './monitor.ts';
import { readSettings, settingsFiles, type MonitorSettings } from './settings.ts';

export interface Waiting {
  readonly device: Device;
  readonly config: MonitorConfig;
  /** Before the server is asked, ms. */
  readonly settling?: number;
}

/**
 * What a device without checks pays for Monitor: it looks at a few folders and asks the server once an hour. Answers true
 * once there is a check, of its own or of the server, or an alert of some script; false when the signal has aborted.
 */
export async function untilNeeded({ device, config, settling = 1000 }: Waiting, signal: AbortSignal): Promise<boolean> {
  const over = new AbortController();
  const ending = AbortSignal.any([signal, over.signal]);
  let wake = (): void => undefined;
  // What is wrong with the settings is said when they are used.
  let settings = readSettings(config.LibraryFolder, config.ConfigFolder, silentLog);
  const assigned = new Assigned({
    device,
    config,
    log: device.log,
    waits: () => ({ first: settings.resendInterval, longest: settings.resendMaxInterval }),
    interval: () => settings.configPushInterval,
    settling,
    report: () => [],
    changed: () => wake(),
  });
  const needed = (): boolean => assigned.given.checks.length > 0 || local(settings, config);
  if (needed()) return !signal.aborted;
  const offline = device.onLink?.((up) => up && assigned.hurry());
  const deaf = device.onNews?.(() => assigned.hurry());
  const asking = assigned.run(ending);
  const stop = (): void => wake();
  signal.addEventListener('abort', stop);
  try {
    while (!signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      settings = readSettings(config.LibraryFolder, config.ConfigFolder, silentLog);
      using watches = new DisposableStack();
      for (const folder of foldersOf(settings, config))
        watches.use(new FolderWatch(folder, device.log, () => resolve()));
      if (needed()) return true;
      await promise;
    }
    return false;
  } finally {
    signal.removeEventListener('abort', stop);
    offline?.();
    deaf?.();
    over.abort();
    await asking;
  }
}

/** Where it shows that there is something to do. */
const foldersOf = ({ monitorFolder }: MonitorSettings, { LibraryFolder, ConfigFolder, StateFolder }: MonitorConfig) => [
  join(monitorFolder, 'enabled'),
  join(StateFolder, 'spool'),
  ...settingsFiles(LibraryFolder, ConfigFolder).map((file) => join(file, '..')),
];

/** A check is enabled; or there are alerts that wait, and states that somebody has to come back to. */
function local({ monitorFolder }: MonitorSettings, { StateFolder }: MonitorConfig): boolean {
  return (
    has(join(monitorFolder, 'enabled'), '.sh') ||
    has(join(StateFolder, 'spool'), '.alert') ||
    ['alerts.jsonl', 'state.json'].some((file) => existsSync(join(StateFolder, file)))
  );
}

function has(folder: string, ending: string): boolean {
  try {
    return readdirSync(folder).some((name) => name.endsWith(ending));
  } catch {
    return false;
  }
}
