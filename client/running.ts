import { readFileSync, rmSync } from 'node:fs';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { bootId } from './boot.ts';
import { writeDurably } from '#base/durable';

/**
 * Says in a file which process the daemon of this store is; disposing it takes the file away. Throws `daemon_runs` when
 * there is one already: two would install into one folder. A disk that is full or read-only costs the commands that
 * look for the daemon, not the daemon.
 */
export function announceProcess(file: string, log: Log): Disposable {
  const other = livingProcess(file);
  if (other !== undefined && other !== process.pid)
    throw new CodedError(
      'daemon_runs',
      `an update client runs on this store already, as process ${other}: stop it first`,
    );
  try {
    writeDurably(file, `${process.pid} ${birthOf(process.pid) ?? 'unknown'}\n`, 0o644);
  } catch (error) {
    log.error('store cannot be written: no update can be installed', { file, error: messageOf(error) });
  }
  return {
    [Symbol.dispose]: () => {
      if (livingProcess(file) === process.pid) rmSync(file, { force: true });
    },
  };
}

/** Sends the daemon a signal. Throws `no_daemon` when none runs on this store. */
export function signalDaemon(file: string, signal: 'SIGUSR1' | 'SIGUSR2'): void {
  const pid = livingProcess(file);
  if (pid === undefined) throw new CodedError('no_daemon', 'the update client is not running: start its daemon');
  process.kill(pid, signal);
}

/** The process that a file names, if it still is that one: after a power cut its number belongs to somebody else. */
function livingProcess(file: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
  const [, number, birth] = /^(\d{1,10}) (\S+)\n$/.exec(text) ?? [];
  const pid = Number(number);
  return birth !== undefined && birthOf(pid) === birth ? pid : undefined;
}

/** What tells a process from all others that ever had its number: the boot, and its start in clock ticks since then. */
function birthOf(pid: number): string | undefined {
  try {
    // The name in parentheses may hold blanks; after it the start time is the 20th field.
    const start = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ')[19];
    return start === undefined ? undefined : `${bootId()}:${start}`;
  } catch {
    return undefined;
  }
}
