import { chownSync, readFileSync, statSync, writeSync } from 'node:fs';
import { ReadStream } from 'node:tty';
import type { Account } from '#base/account';
import { CodedError, codeOf, messageOf } from '#base/errors';

export interface PtyOptions {
  readonly command: string;
  readonly args: readonly string[];
  readonly account: Account;
  readonly cols: number;
  readonly rows: number;
  /** Descriptors that the process must not have: those of other terminals. */
  readonly foreign?: readonly number[];
  /** Takes output as it comes; the pty stays quiet from `pause()` to `resume()`. */
  readonly output: (bytes: Uint8Array) => void;
}

/** What the process ended with: a signal counts as 128 and its number, as shells say it. */
export type ExitCode = number;

/**
 * node-pty's native part. Its own Terminal closes the stream 200 ms after the exit, so the tail of a slow reader's
 * output is lost, adds PWD to the environment and polls a full pty without rest (`connect-protocol.md` §10).
 */
interface Native {
  fork(
    file: string,
    args: readonly string[],
    env: readonly string[],
    cwd: string,
    cols: number,
    rows: number,
    uid: number,
    gid: number,
    utf8: boolean,
    helper: string,
    exited: (code: number, signal: number) => void,
  ): { fd: number; pid: number; pty: string };
  resize(fd: number, cols: number, rows: number): void;
}

/** Input that the program has not read yet, bytes, before `write` asks to wait. */
const inputLimit = 256 * 1024;
/** After SIGHUP, ms: what is still there is killed. */
const hangUpTime = 2000;
/** After the shell's exit, ms without output: whoever else has the terminal open is not waited for. */
const tailTime = 100;

/** A process on a pseudo-terminal, run as an account with that account's groups only. */
export class Pty {
  readonly #native: Native;
  readonly #fd: number;
  readonly #stream: ReadStream;
  readonly #gone = Promise.withResolvers<ExitCode>();
  readonly #finished = Promise.withResolvers<ExitCode>();
  readonly #input: Uint8Array[] = [];
  #inputSize = 0;
  #retry: NodeJS.Timeout | undefined;
  #waiting: (() => void)[] = [];
  #tail: NodeJS.Timeout | undefined;
  #exitCode: ExitCode | undefined;
  #closed = false;
  readonly pid: number;
  /** The process has ended and all of its output was handed over. */
  readonly finished: Promise<ExitCode> = this.#finished.promise;

  private constructor(native: Native, options: PtyOptions) {
    const { account, cols, rows } = options;
    const [command, args] = withoutForeign(options);
    const env = [`HOME=${account.home}`, 'TERM=xterm-256color'];
    const cwd = isDirectory(account.home) ? account.home : '/';
    const exited = (code: number, signal: number): void => this.#exited(signal ? 128 + signal : code);
    const { fd, pid, pty } = withGroupsOf(account, (uid, gid) =>
      native.fork(command, args, env, cwd, cols, rows, uid, gid, true, '', exited),
    );
    giveTo(account, pty);
    this.#native = native;
    this.#fd = fd;
    this.pid = pid;
    this.#stream = new ReadStream(fd);
    this.#stream.on('data', (bytes) => {
      this.#tail?.refresh();
      options.output(bytes as unknown as Uint8Array);
    });
    // EIO is how Linux says that the last process has closed its side: the end of output, no fault.
    this.#stream.on('error', () => this.#close());
    this.#stream.on('close', () => this.#close());
  }

  static async spawn(options: PtyOptions): Promise<Pty> {
    // Loaded with the first shell: an idle device has no use for it.
    const { native } = (await import('node-pty')) as unknown as { native: Native };
    return new Pty(native, options);
  }

  /** Our end of the terminal. */
  get fd(): number {
    return this.#fd;
  }

  /** Keystrokes. False: the program does not read, await `writable()` before the next. */
  write(bytes: Uint8Array): boolean {
    if (this.#closed || bytes.length === 0) return true;
    this.#input.push(bytes);
    this.#inputSize += bytes.length;
    if (!this.#retry) this.#feed(1);
    return this.#inputSize < inputLimit;
  }

  /** Resolves when there is room for input or the process is gone. */
  writable(): Promise<void> {
    if (this.#closed || this.#inputSize < inputLimit) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  resize(cols: number, rows: number): void {
    if (!this.#closed) this.#native.resize(this.#fd, cols, rows);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
    this.#tail?.refresh();
  }

  /** Hangs up as a lost terminal does, and kills what does not go; resolves when the process is gone. */
  async end(): Promise<void> {
    if (this.#exitCode === undefined) {
      const foreground = foregroundGroup(this.pid);
      if (foreground !== undefined && foreground !== this.pid) signalGroup(foreground, 'SIGHUP');
      signalGroup(this.pid, 'SIGHUP');
      const kill = setTimeout(() => signalGroup(this.pid, 'SIGKILL'), hangUpTime);
      this.#close();
      await this.#gone.promise;
      clearTimeout(kill);
    }
    this.#close();
  }

  #exited(code: ExitCode): void {
    this.#exitCode = code;
    this.#gone.resolve(code);
    if (this.#closed) this.#finished.resolve(code);
    else this.#awaitTail();
  }

  /** A child in the background may hold the terminal open for ever: quiet is then the end. */
  #awaitTail(): void {
    this.#tail = setTimeout(() => {
      if (this.#stream.isPaused()) this.#awaitTail();
      else this.#close();
    }, tailTime);
  }

  #close(): void {
    if (!this.#closed) {
      this.#closed = true;
      clearTimeout(this.#retry);
      clearTimeout(this.#tail);
      this.#input.length = 0;
      this.#inputSize = 0;
      this.#release();
      this.#stream.destroy();
    }
    if (this.#exitCode !== undefined) this.#finished.resolve(this.#exitCode);
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  /** The descriptor does not block: a full terminal says EAGAIN, and there is no event for room, hence the clock. */
  #feed(delay: number): void {
    this.#retry = undefined;
    for (let bytes = this.#input[0]; bytes; bytes = this.#input[0]) {
      let written: number;
      try {
        written = writeSync(this.#fd, bytes);
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') return; // gone: the stream's end says so
        this.#retry = setTimeout(() => this.#feed(Math.min(delay * 2, 50)), delay);
        return;
      }
      this.#inputSize -= written;
      delay = 1;
      if (written < bytes.length) this.#input[0] = bytes.subarray(written);
      else this.#input.shift();
      if (this.#inputSize < inputLimit / 2) this.#release();
    }
  }
}

/**
 * Runs `fork` with the account's supplementary groups in force, which the child inherits: node-pty sets user and
 * group but would leave it the daemon's. Nothing of ours runs in between, and root's rights do not hang on its groups.
 */
function withGroupsOf<T>(account: Account, fork: (uid: number, gid: number) => T): T {
  const self = process.geteuid?.() ?? -1;
  if (self !== 0) {
    if (self === account.uid) return fork(-1, -1);
    throw new CodedError('not_permitted', `only root may run a shell as ${account.name}`);
  }
  const groups = process.getgroups?.() ?? [];
  try {
    // Missing from the types of Node.
    (process as unknown as { initgroups(user: string, group: number): void }).initgroups(account.name, account.gid);
  } catch (error) {
    throw new CodedError('not_permitted', `groups of ${account.name}: ${messageOf(error)}`, { cause: error });
  }
  try {
    return fork(account.uid, account.gid);
  } finally {
    process.setgroups?.(groups);
  }
}

/** Shells whose redirections take descriptors of more than one digit. */
const closers = /\/(bash|zsh|ksh|mksh)$/;

/**
 * node-pty opens terminals without close-on-exec, so a process would inherit our end of every other one: its shell would
 * not be hung up while that process lives. A shell that can is run once more by itself, and closes them in between.
 */
function withoutForeign({ command, args, foreign = [] }: PtyOptions): readonly [string, readonly string[]] {
  if (foreign.length === 0 || !closers.test(command)) return [command, args];
  const close = foreign.map((fd) => `${fd}<&-`).join(' ');
  return [command, ['-c', `exec ${close}; exec "$0" "$@"`, command, ...args]];
}

/** The terminal belongs to whoever sits at it: screen, tmux and others open it by its name. */
function giveTo(account: Account, terminal: string): void {
  if (process.geteuid?.() !== 0) return;
  try {
    chownSync(terminal, account.uid, statSync(terminal).gid);
  } catch {
    // The process has ended already.
  }
}

function isDirectory(path: string): boolean {
  return path.startsWith('/') && (statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false);
}

/** Who has the terminal in the foreground: the shell, or a job in a process group of its own. */
function foregroundGroup(pid: number): number | undefined {
  try {
    // The command's name, in brackets, may hold spaces: count behind it.
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ');
    const group = Number(fields[5]);
    return group > 1 ? group : undefined;
  } catch {
    return undefined;
  }
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Gone already.
  }
}
