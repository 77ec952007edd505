import type { Terminal } from '@xterm/xterm';

/** Output that xterm has not drawn yet before the next message waits, bytes. */
const drawAhead = 512 * 1024;

/** Puts output on the screen, and knows what is not on it yet. */
export class Drawing {
  readonly #terminal: Terminal;
  readonly #waiting = new Set<Uint8Array>();
  #ahead = 0;
  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }
  /** Resolves when there is room for more. */
  async write(body: Uint8Array): Promise<void> {
    this.#ahead += body.length;
    this.#waiting.add(body);
    const drawn = new Promise<void>((resolve) =>
      this.#terminal.write(body, () => {
        this.#ahead -= body.length;
        this.#waiting.delete(body);
        resolve();
      }),
    );
    if (this.#ahead > drawAhead) await drawn;
  }
  get undrawn(): string {
    return [...this.#waiting].map((body) => Array.from(body, (byte) => String.fromCharCode(byte)).join('')).join('');
  }
  restore(screen: string, undrawn: string): void {
    this.#terminal.reset();
    this.#terminal.write(screen);
    this.#terminal.write(Uint8Array.from(undrawn, (char) => char.charCodeAt(0)));
  }
}

/** What a program left switched on (another screen, mouse reports, pasting in brackets) must not outlive its shell. */
export function clearModes(terminal: Terminal): void {
  if (terminal.buffer.active.type === 'alternate') terminal.write('\x1b[?1049l');
  terminal.write('\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?2004l\x1b[?1l\x1b[?25h\x1b[0m');
  terminal.write('\r\n');
}
