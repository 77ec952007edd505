import { spawn, type IPty } from 'node-pty';

/** A program in a terminal of its own, with somebody who types and reads. */
export class Screen implements Disposable {
  readonly #pty: IPty;
  readonly exited: Promise<number>;
  text = '';
  #read = 0;
  #changed: (() => void)[] = [];

  constructor(command: string, args: readonly string[], env: NodeJS.ProcessEnv, size = { cols: 100, rows: 30 }) {
    this.#pty = spawn(command, [...args], { name: 'xterm-256color', ...size, env: { ...env, TERM: 'xterm-256color' } });
    const wake = () => {
      for (const changed of this.#changed.splice(0)) changed();
    };
    this.#pty.onData((data) => {
      this.text += data;
      wake();
    });
    this.exited = new Promise((resolve) =>
      this.#pty.onExit(({ exitCode }) => {
        resolve(exitCode);
        wake();
      }),
    );
  }

  type(text: string): void {
    this.#pty.write(text);
  }

  resize(cols: number, rows: number): void {
    this.#pty.resize(cols, rows);
  }

  /** Waits until what came since the last match matches, and reads on from there. */
  async shows(pattern: RegExp, timeout = 20_000): Promise<RegExpExecArray> {
    const end = Date.now() + timeout;
    for (;;) {
      const match = pattern.exec(this.text.slice(this.#read));
      if (match) {
        this.#read += match.index + match[0].length;
        return match;
      }
      const left = end - Date.now();
      if (left <= 0) throw new Error(`the screen never showed ${pattern}:\n${this.text.slice(-2000)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#changed.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  [Symbol.dispose](): void {
    try {
      this.#pty.kill('SIGKILL');
    } catch {
      // it has ended by itself
    }
  }
}
