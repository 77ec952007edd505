import { spawn, type ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Readable } from 'node:stream';

/** A program that the client runs: a script or an update module. Never through a shell. */
export interface Call {
  readonly file: string;
  readonly args?: readonly string[];
  readonly cwd?: string;
  /** Written to its standard input, which is empty otherwise. */
  readonly input?: string;
  /** ms until the process group gets SIGTERM, and SIGKILL `grace` later. */
  readonly timeout: number;
  /** ms between SIGTERM and SIGKILL. */
  readonly grace?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
  /** Each line of output, as it comes. Without it standard output is collected instead. */
  readonly onLine?: (stream: 'stdout' | 'stderr', line: string) => void;
  /** Collect standard output, whatever `onLine` says; it then hears of standard error only. */
  readonly collect?: boolean;
}

export interface Ended {
  /** Exit code; null when a signal ended it or it never started. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** Why it never started. */
  readonly error?: NodeJS.ErrnoException;
  /** Collected standard output, at most 1 MiB. */
  readonly output: string;
}

const outputLimit = 1024 * 1024;
const lineLimit = 8192;

/** Runs a program to its end. Never throws for what the program does; how it ended is in the answer. */
export async function runChild(call: Call): Promise<Ended> {
  const child = spawn(call.file, [...(call.args ?? [])], {
    cwd: call.cwd,
    env: call.env,
    detached: true, // its own process group, so that a timeout reaches its children too
    stdio: [call.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  child.stdin?.on('error', () => undefined); // it ended without reading: its exit code says what to think of that
  child.stdin?.end(call.input);
  return ending(child, call);
}

/** How such a process ended, once it has. */
async function ending(child: ChildProcess, call: Call): Promise<Ended> {
  const { onLine, grace = 10_000 } = call;
  let output = '';
  const collect = call.collect || !onLine;
  const { stdout, stderr } = child as ChildProcess & { stdout: Readable; stderr: Readable };
  stdout.setEncoding('utf8');
  stderr.setEncoding('utf8');
  if (collect)
    stdout.on('data', (text: string) => {
      if (output.length < outputLimit) output += text.slice(0, outputLimit - output.length);
    });
  else eachLine(stdout, (line) => onLine?.('stdout', line));
  eachLine(stderr, (line) => onLine?.('stderr', line));

  let timedOut = false;
  let killer: NodeJS.Timeout | undefined;
  const end = () => {
    killGroup(child, 'SIGTERM');
    killer ??= setTimeout(() => killGroup(child, 'SIGKILL'), grace);
  };
  const timer = setTimeout(
    () => {
      timedOut = true;
      end();
    },
    Math.min(call.timeout, 0x7fffffff),
  );
  call.signal?.addEventListener('abort', end, { once: true });
  if (call.signal?.aborted) end();
  try {
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    const result = await new Promise<Omit<Ended, 'output' | 'timedOut'>>((resolve) => {
      child.once('error', (error) => resolve({ code: null, signal: null, error }));
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    if (!result.error) {
      // A child left behind may hold the pipes for ever: its output is not worth waiting for.
      const lapse = new AbortController();
      await Promise.race([closed, sleep(2000, undefined, { signal: lapse.signal }).catch(() => undefined)]);
      lapse.abort();
    }
    return { ...result, timedOut, output };
  } finally {
    clearTimeout(timer);
    clearTimeout(killer);
    call.signal?.removeEventListener('abort', end);
    if (timedOut || call.signal?.aborted) killGroup(child, 'SIGKILL'); // what its leader left behind
    stdout.destroy();
    stderr.destroy();
  }
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The whole group is gone already.
  }
}

function eachLine(stream: Readable, say: (line: string) => void): void {
  let rest = '';
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) say(line.slice(0, lineLimit));
    if (rest.length > lineLimit) {
      say(rest.slice(0, lineLimit));
      rest = '';
    }
  });
  stream.on('end', () => {
    if (rest !== '') say(rest);
    rest = '';
  });
}
