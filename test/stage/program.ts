import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

/** A program under test: what it has said so far, a way to wait for words, and an end that is sure. */
export class Program implements AsyncDisposable {
  readonly name: string;
  readonly child: ChildProcess;
  readonly lines: string[] = [];
  #waiting: { pattern: RegExp; found: (line: RegExpExecArray) => void }[] = [];

  constructor(
    name: string,
    command: string,
    args: readonly string[],
    env: NodeJS.ProcessEnv = process.env,
    input: 'ignore' | 'pipe' = 'ignore',
  ) {
    this.name = name;
    this.child = spawn(command, args, { env, stdio: [input, 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      if (stream) createInterface(stream).on('line', (line) => this.#said(line));
    }
    this.child.on('error', (error) => this.#said(`cannot be started: ${error.message}`));
  }

  get running(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null && this.child.pid !== undefined;
  }

  /** The first line, said already or to come, that the pattern matches. */
  async said(pattern: RegExp, timeout = 20_000): Promise<RegExpExecArray> {
    for (const line of this.lines) {
      const match = pattern.exec(line);
      if (match) return match;
    }
    const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
    const timer = setTimeout(() => reject(new Error(`${this.name} never said ${pattern}:\n${this.tail()}`)), timeout);
    this.child.once('exit', (code) =>
      reject(new Error(`${this.name} ended (${code}) without ${pattern}:\n${this.tail()}`)),
    );
    this.#waiting.push({ pattern, found: resolve });
    return await promise.finally(() => clearTimeout(timer));
  }

  tail(count = 30): string {
    return this.lines.slice(-count).join('\n');
  }

  /** Asks it to end; after five seconds it is ended. Answers the exit code, or null if a signal ended it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.running) {
      const ended = once(this.child, 'exit');
      this.child.kill(signal);
      const kill = setTimeout(() => this.child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(kill);
    }
    return this.child.exitCode;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  #said(line: string): void {
    this.lines.push(line);
    this.#waiting = this.#waiting.filter(({ pattern, found }) => {
      const match = pattern.exec(line);
      if (match) found(match);
      return !match;
    });
  }
}

/** Asks again, soon and then less often, until there is an answer; the last error or the words say what was waited for. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined | false>,
  timeout = 30_000,
): Promise<T> {
  const end = Date.now() + timeout;
  for (let last: unknown, wait = 10; ; wait = Math.min(150, wait * 2)) {
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) throw new Error(`not within ${timeout / 1000} s: ${what}`, { cause: last });
    await pause(wait);
  }
}
