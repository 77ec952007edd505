import type { IPty } from 'node-pty';
import { stripVTControlCharacters } from 'node:util';
import { failed } from '../failure.ts';
import type { Demo } from './demo.ts';
import { operatorEnvironment } from './operator.ts';

const patience = 30_000;

/** `patchbay terminal DEVICE` in a terminal of its own, as a person has it before him. */
export class TerminalWindow implements Disposable {
  readonly #pty: IPty;
  readonly #ended: Promise<number>;
  #text = '';
  #news = Promise.withResolvers<void>();
  constructor(pty: IPty) {
    this.#pty = pty;
    pty.onData((data) => {
      this.#text = (this.#text + data).slice(-65_536);
      this.#tell();
    });
    this.#ended = new Promise((resolve) => {
      pty.onExit(({ exitCode }) => {
        resolve(exitCode);
        this.#tell();
      });
    });
  }

  static async open(demo: Demo, device: string, columns: number, rows: number): Promise<TerminalWindow> {
    const { spawn } = await import('node-pty');
    const { node, patchbay } = demo.programs;
    const env = { ...operatorEnvironment(demo), TERM: 'xterm-256color' };
    return new TerminalWindow(
      spawn(node, [...patchbay, 'terminal', device], { cwd: demo.folder, env, cols: columns, rows }),
    );
  }

  type(line: string): void {
    this.#pty.write(`${line}\r`);
  }

  resize(columns: number, rows: number): void {
    this.#pty.resize(columns, rows);
  }

  /** Waits for words on the screen; throws with what is there when they do not come. */
  async shows(pattern: RegExp): Promise<RegExpExecArray> {
    const late = AbortSignal.timeout(patience);
    for (let over = false; ;) {
      const screen = stripVTControlCharacters(this.#text);
      const found = pattern.exec(screen);
      if (found) return found;
      if (over) throw failed(`the terminal never showed ${pattern}: ${screen.trim().slice(-300) || 'it is empty'}`);
      const news = this.#news.promise;
      over = await Promise.race([
        news.then(() => false),
        new Promise<boolean>((resolve) => late.addEventListener('abort', () => resolve(true), { once: true })),
        this.#ended.then(() => true),
      ]);
    }
  }

  /** The exit code, once the shell at the other end is left. */
  async ends(): Promise<number> {
    const late = new Promise<never>((_, reject) => {
      AbortSignal.timeout(patience).addEventListener('abort', () => reject(failed('the terminal does not end')));
    });
    return await Promise.race([this.#ended, late]);
  }

  [Symbol.dispose](): void {
    try {
      this.#pty.kill('SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }

  #tell(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }
}
