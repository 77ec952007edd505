import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf } from '#base/errors';
import { failed, interrupted } from '../failure.ts';
import type { Warden } from './warden.ts';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** What a process that has ended said. */
export interface Said {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** One process of the demo: leader of a group of its own, so that whatever it starts ends with it. */
export class DemoProcess {
  readonly name: string;
  readonly pid: number;
  readonly log: string;
  readonly ended: Promise<Ended>;
  #running = true;
  constructor(name: string, log: string, child: ChildProcess & { pid: number }) {
    this.name = name;
    this.pid = child.pid;
    this.log = log;
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#running = false;
        resolve({ code, signal });
      });
    });
  }

  get running(): boolean {
    return this.#running;
  }

  /** The last lines of what it wrote. */
  async tail(lines = 20): Promise<string> {
    const length = 16 * 1024;
    await using file = await open(this.log);
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, Math.max(0, size - length));
    return buffer.subarray(0, bytesRead).toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}

/** All processes of one demo. Disposing of it ends them and waits until they and all they started are gone. */
export class Processes implements AsyncDisposable {
  readonly folder: string;
  readonly #warden: Warden | undefined;
  readonly #patience: number;
  readonly #started: DemoProcess[] = [];
  /** Of processes that end by themselves: leader → its end. */
  readonly #brief = new Map<number, Promise<unknown>>();
  #ending = false;
  readonly #broken = Promise.withResolvers<never>();
  /** `folder`: where their logs go; `patience`: how long one may take to end by itself, ms, before it is killed. */
  constructor(folder: string, warden?: Warden, patience = 6000) {
    this.folder = folder;
    this.#warden = warden;
    this.#patience = patience;
    this.#broken.promise.catch(() => undefined);
  }

  /** Rejects when a process ends that was to run until the end of the demo. */
  get broken(): Promise<never> {
    return this.#broken.promise;
  }

  get all(): readonly DemoProcess[] {
    return this.#started;
  }

  async start(
    name: string,
    command: string,
    args: readonly string[],
    options: { cwd: string; env: Readonly<Record<string, string>> },
  ): Promise<DemoProcess> {
    if (this.#ending) throw failed(`the demo ends: ${name} is not started any more`);
    const log = join(this.folder, `${name}.log`);
    const output = openSync(log, 'a', 0o600);
    try {
      const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', output, output] });
      const spawned = new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject));
      // Known at once, not when it has told that it runs: the demo may end in between.
      if (child.pid === undefined) return await spawned.then(() => Promise.reject(failed(`${name} cannot be started`)));
      const started = new DemoProcess(name, log, child as ChildProcess & { pid: number });
      this.#warden?.watch(started.pid);
      this.#started.push(started);
      void started.ended.then((ended) => this.#onEnd(started, ended));
      await spawned;
      return started;
    } catch (error) {
      throw codeOf(error) === 'ENOENT'
        ? failed(`there is no program ${basename(command)} here`, { cause: error })
        : error;
    } finally {
      closeSync(output);
    }
  }

  /** Runs a process that ends by itself (or when the signal aborts); what it said, and its exit code. */
  async run(
    command: string,
    args: readonly string[],
    options: { cwd: string; env: Readonly<Record<string, string>>; input?: string; signal: AbortSignal },
  ): Promise<Said> {
    const { cwd, env, input = '', signal } = options;
    if (this.#ending) throw interrupted();
    const child = spawn(command, args, { cwd, env, detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
    const { pid } = child;
    const closed = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject));
    if (pid === undefined) return await closed.then(() => Promise.reject(interrupted()));
    this.#warden?.watch(pid);
    this.#brief.set(pid, closed);
    const stop = () => signalGroup(pid, 'SIGTERM');
    signal.addEventListener('abort', stop, { once: true });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    try {
      const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
      return { code, out, err };
    } finally {
      signal.removeEventListener('abort', stop);
      this.#brief.delete(pid);
      this.#warden?.release(pid);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    for (const pid of this.#brief.keys()) signalGroup(pid, 'SIGKILL');
    await Promise.allSettled([...this.#brief.values(), ...this.#started.map((process) => this.#end(process))]);
  }

  async #end({ pid, ended }: DemoProcess): Promise<void> {
    signalGroup(pid, 'SIGTERM');
    const late = AbortSignal.timeout(this.#patience);
    while (groupLives(pid) && !late.aborted) await Promise.race([ended.then(() => sleep(10)), sleep(50)]);
    signalGroup(pid, 'SIGKILL');
    await ended;
    // Whom the leader left behind is dead, but counts until the system's first process has collected it.
    for (let waited = 0; groupLives(pid) && waited < 2000; waited += 10) await sleep(10);
    this.#warden?.release(pid);
  }

  #onEnd(process: DemoProcess, { code, signal }: Ended): void {
    if (this.#ending) return;
    const how = signal ? `by ${signal}` : `with exit code ${code}`;
    this.#broken.reject(new BrokenProcess(process, `${process.name} ended ${how}`));
  }
}

/** A process ended that should have gone on. */
export class BrokenProcess extends Error {
  readonly process: DemoProcess;
  constructor(process: DemoProcess, message: string) {
    super(message);
    this.process = process;
  }
}

export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return false;
    throw error;
  }
}

/** Whether any process of the group is left; a zombie that its parent has not collected counts. */
export const groupLives = (pid: number): boolean => signalGroup(pid, 0);
