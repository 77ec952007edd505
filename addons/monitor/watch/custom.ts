import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { Definition } from './definitions.ts';
import type { MonitorConfig } from './monitor.ts';
import { runProgram, safeEnvironment } from './programs.ts';
import { shortened } from './remote-looks.ts';
import type { Variables } from './variables.ts';
import { well, type Watched } from './watched.ts';

/** One run of a subsystem of the owner's own, ms. */
const longest = 60_000;

interface Custom {
  readonly script: string;
  readonly file: string;
  readonly variables: Variables;
  readonly every?: number;
}

/**
 * A subsystem that is a script: run now and then in the library's folder, with the variables of the check, `env` (the file of
 * the check) and `SUBSYSTEM_NAME` in its environment. What it has to say it says by `monitor_send_alert`; only that it
 * cannot be run at all is said for it.
 */
export function customSubsystem(
  { type, key }: Definition,
  { script, file, variables, every }: Custom,
  config: MonitorConfig,
  timeout = longest,
): Watched {
  return {
    title: `Check ${key} cannot be made`,
    subject: { name: key, type },
    ...(every === undefined ? {} : { every }),
    async look(signal) {
      const env = {
        ...safeEnvironment(),
        ...Object.fromEntries(variables),
        env: file,
        SUBSYSTEM_NAME: type,
        MONITOR_CHECK: key,
        MONITOR_STATE: config.StateFolder,
      };
      const cwd = existsSync(config.LibraryFolder) ? config.LibraryFolder : '/';
      const { timedOut, failed, output } = await runProgram(interpreter(script), {
        args: [script],
        cwd,
        env,
        timeout,
        signal,
      });
      const said = output.trim() === '' ? '' : `; it printed: ${shortened(output.trim(), 500)}`;
      if (failed) return { level: 'UNKNOWN', status: 'not-started', description: `${script}: ${failed}` };
      if (timedOut)
        return {
          level: 'UNKNOWN',
          status: 'timeout',
          description: `${script} did not end within ${timeout / 1000} s and was killed${said}`,
        };
      return well('running', `${script} was run${said}`);
    },
  };
}

/** What its first line names, executable or not; else bash, for which subsystems are written. */
function interpreter(script: string): string {
  const bytes = Buffer.alloc(256);
  const handle = openSync(script, 'r');
  let first: string;
  try {
    first = bytes.toString('latin1', 0, readSync(handle, bytes, 0, bytes.length, 0)).split('\n')[0] ?? '';
  } finally {
    closeSync(handle);
  }
  const words = /^#!\s*(\S+)(?:\s+(\S+))?/.exec(first);
  const named = words?.[1]?.endsWith('/env') ? words[2] : words?.[1];
  if (named?.startsWith('/') && existsSync(named)) return named;
  const names = [named?.split('/').at(-1), 'bash', 'sh'].filter((name) => name !== undefined);
  return (
    names
      .flatMap((name) => ['/bin', '/usr/bin', '/usr/local/bin'].map((folder) => join(folder, name)))
      .find(existsSync) ?? '/bin/sh'
  );
}
