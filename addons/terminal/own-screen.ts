import type { Writable } from 'node:stream';
import type { Screen } from '#addon/cli';

// oxlint-disable-next-line no-control-regex
const privateModes = /\x1b\[\?([\d;]+)([hl])/g;

/** A program on the device may have changed how the person's own terminal works, and died without changing it back. */
export class Modes {
  readonly #screen: Screen;
  readonly #on = new Set<string>();
  constructor(screen: Screen) {
    this.#screen = screen;
  }
  seen(output: Uint8Array): void {
    if (!output.includes(0x1b)) return;
    const text = Buffer.from(output).toString('latin1');
    for (const [, modes = '', set] of text.matchAll(privateModes))
      for (const mode of modes.split(';')) {
        // The cursor is the one that is on by itself.
        if ((set === 'h') === (mode !== '25')) this.#on.add(mode);
        else this.#on.delete(mode);
      }
  }
  /** A program has a screen of its own. */
  get full(): boolean {
    return ['47', '1047', '1049'].some((mode) => this.#on.has(mode));
  }
  restore(): void {
    if (this.#on.size === 0) return;
    const back = [...this.#on].map((mode) => `\x1b[?${mode}${mode === '25' ? 'h' : 'l'}`);
    this.#screen.write(`${back.join('')}\x1b[0m\r\n`);
  }
}

/** Tells a person at a screen that his link is away, and that it is back, and who else is there. */
export class Notice {
  readonly #screen: Writable | undefined;
  readonly #name: string;
  readonly #modes: Modes;
  readonly #redraw: () => void;
  away = false;
  #since = 0;
  /** `redraw`: has the shell, or what runs in it, draw again what the notice was written over. */
  constructor(screen: Writable | undefined, name: string, modes: Modes, redraw: () => void) {
    this.#screen = screen;
    this.#name = name;
    this.#modes = modes;
    this.#redraw = redraw;
  }
  /** A line, where nothing has the whole screen. */
  say(line: string): void {
    if (!this.#modes.full) this.#screen?.write(`\r\n\x1b[K[${line}]\r\n`);
  }
  link(up: boolean): void {
    this.away = !up;
    const seconds = Math.round((performance.now() - this.#since) / 1000);
    if (!up) this.#since = performance.now();
    const line = up ? `connected again after ${seconds} s` : `reconnecting to ${this.#name}… (Ctrl-] leaves)`;
    // A program that has the whole screen keeps it: the notice takes one line of it until that is drawn again.
    if (this.#modes.full) this.#screen?.write(up ? '' : `\x1b7\x1b[1;1H\x1b[7m ${line}\x1b[K\x1b[27m\x1b8`);
    else this.#screen?.write(`\r\n\x1b[K[${line}]${up ? '\r\n' : ''}`);
    if (up && this.#screen) this.#redraw();
  }
}
