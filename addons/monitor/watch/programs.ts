import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { messageOf } from '#base/errors';

export interface Ran {
  /** Null: a signal ended it, or it never started. */
  readonly code: number | null;
  readonly timedOut: boolean;
  /** Why it never started. */
  readonly failed?: string;
  /** What it has printed on both its outputs, the beginning of it. */
  readonly output: string;
}

export interface Run {
  readonly args?: readonly string[];
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** ms, then the whole process group is killed. */
  readonly timeout: number;
  readonly signal: AbortSignal;
}

/** What is kept of an output; the rest is read and thrown away, so that the program is not stopped by a full pipe. */
const outputLimit = 4096;
/** After SIGTERM, ms. */
const grace = 2000;

/** Runs a program to its end, never through a shell. Never throws for what it does. */
export async function runProgram(file: string, { args = [], cwd, env, timeout, signal }: Run): Promise<Ran> {
  const child = spawn(file, [...args], {
    cwd,
    env: env ?? safeEnvironment(),
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let kept = Buffer.alloc(0);
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      if (kept.length < outputLimit) kept = Buffer.concat([kept, chunk.subarray(0, outputLimit - kept.length)]);
    });
  let timedOut = false;
  const late = setTimeout(() => {
    timedOut = true;
    endGroup(child);
  }, timeout);
  const stop = (): void => endGroup(child);
  signal.addEventListener('abort', stop, { once: true });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    // What it left behind in its group is no part of the answer and is not to live on.
    if (timedOut || signal.aborted) kill(child, 'SIGKILL');
    return { code, timedOut, output: readable(kept) };
  } catch (error) {
    return { code: null, timedOut: false, failed: messageOf(error), output: '' };
  } finally {
    clearTimeout(late);
    signal.removeEventListener('abort', stop);
    child.stdout?.destroy();
    child.stderr?.destroy();
  }
}

/** Ends a process with all that it started. */
export function endGroup(child: ChildProcess): void {
  kill(child, 'SIGTERM');
  setTimeout(() => kill(child, 'SIGKILL'), grace).unref();
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // All of it is gone.
  }
}

/** Nothing of the daemon's own environment, which may hold secrets. */
export const safeEnvironment = (): NodeJS.ProcessEnv => ({
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
});

/** Bytes as text that survives JSON and every database: what is no UTF-8, and NUL, is U+FFFD. */
export const readable = (bytes: Uint8Array): string =>
  cleaned(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString());
export const cleaned = (text: string): string => text.replaceAll('\0', '\u{fffd}').toWellFormed();
