import { realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { Check } from '../check.ts';
import type { MonitorConfig } from './monitor.ts';
import { scriptProblem } from './scripts.ts';

/** Why the device's owner does not have this check of the server's made; undefined: he does. */
export function refusalOf(check: Check, config: MonitorConfig): string | undefined {
  const { ServerCheckTypes: types, ScriptFolder: scripts, ServerLogFolders: folders } = config;
  if (types && !types.includes(check.type))
    return `the configuration of this device takes no ${check.type} checks from the server`;
  if (check.type === 'script') return scriptProblem(scripts, check.script);
  if (check.type === 'log' && check.file !== undefined) {
    const file = real(check.file);
    if (!folders.some((folder) => file.startsWith(`${real(folder)}/`)))
      return `the configuration of this device lets the server have logs read in ${folders.join(', ') || 'no folder'} only`;
  }
  return undefined;
}

/** Where a path really leads, were the last part of it not there yet. */
function real(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const full = resolve(path);
    return dirname(full) === full ? full : join(real(dirname(full)), basename(full));
  }
}
