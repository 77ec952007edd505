// A process beside the demo that outlives it: when the demo is gone without a word (killed, crashed, its terminal
// closed), it ends what the demo left running and removes its folder. It hears of each process over a pipe, and the
// end of that pipe is the news that no other way could bring.
import { spawn, type ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export class Warden {
  readonly #child: ChildProcess;
  /** `remove`: a folder that goes with the processes. */
  constructor(remove?: string) {
    const self = fileURLToPath(import.meta.url);
    this.#child = spawn(process.execPath, [self, ...(remove ? [remove] : [])], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#child.stdin?.on('error', () => undefined);
    this.#child.unref();
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  watch(group: number): void {
    this.#child.stdin?.write(`+${group}\n`);
  }

  release(group: number): void {
    this.#child.stdin?.write(`-${group}\n`);
  }

  /** Lets go of the pipe, as the kernel does when the demo is killed. */
  abandon(): void {
    this.#child.stdin?.end();
  }

  /** The demo has ended everything itself. */
  async dismiss(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode) return;
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.ref();
    this.#child.stdin?.end('.\n');
    await gone;
  }
}

async function guard(remove: string | undefined): Promise<void> {
  // What ends the demo must not end its warden before it has done.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
  const groups = new Set<number>();
  for await (const line of createInterface(process.stdin)) {
    if (line === '.') return;
    const group = Number(line.slice(1));
    if (!Number.isInteger(group) || group <= 1) continue;
    if (line.startsWith('+')) groups.add(group);
    else groups.delete(group);
  }
  const all = (signal: NodeJS.Signals | 0) => [...groups].filter((group) => signalled(group, signal)).length;
  all('SIGTERM');
  for (let waited = 0; all(0) > 0 && waited < 3000; waited += 50) await sleep(50);
  all('SIGKILL');
  if (remove) await rm(remove, { recursive: true, force: true, maxRetries: 5 });
}

function signalled(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-group, signal);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main) await guard(process.argv[2]);
