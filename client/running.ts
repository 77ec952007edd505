import { readFileSync, rmSync } from 'node:fs';
import { CodedError } from '#base/errors';
import { writeDurably } from './durable.ts';

/** Says in a file which process the daemon is; disposing it takes the file away. */
export function announceProcess(file: string): Disposable {
  writeDurably(file, `${process.pid}\n`, 0o644);
  return {
    [Symbol.dispose]: () => {
      if (readPid(file) === process.pid) rmSync(file, { force: true });
    },
  };
}

/** Sends the daemon a signal. Throws `no_daemon` when none runs on this store. */
export function signalDaemon(file: string, signal: 'SIGUSR1' | 'SIGUSR2'): void {
  const pid = readPid(file);
  // A pid may have been given to somebody else since: such a process is not to be signalled.
  if (pid === undefined || !isClient(pid))
    throw new CodedError('no_daemon', 'the update client is not running: start its daemon');
  process.kill(pid, signal);
}

function readPid(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim());
    return Number.isSafeInteger(pid) && pid > 1 ? pid : undefined;
  } catch {
    return undefined;
  }
}

function isClient(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes('daemon');
  } catch {
    return false;
  }
}
