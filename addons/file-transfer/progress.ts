import type { Writable } from 'node:stream';
import { duration, size } from './words.ts';

type Screen = Writable & { isTTY?: boolean; columns?: number };

const interval = 200;

/** One line on a screen, written over and over: name, share, rate, time left. Nothing where there is no screen. */
export class Progress {
  readonly #screen: Screen;
  #name = '';
  #total: number | undefined;
  #begun = 0;
  #from = 0;
  #done = 0;
  #shown = 0;
  /** Of all files together. */
  bytes = 0;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  /** The next file; `from` bytes of it are there already. */
  file(name: string, total: number | undefined, from = 0): void {
    this.#name = name;
    this.#total = total;
    this.#begun = performance.now();
    this.#from = this.#done = from;
  }

  add(bytes: number): void {
    this.#done += bytes;
    this.bytes += bytes;
    const now = performance.now();
    if (!this.#screen.isTTY || now - this.#shown < interval) return;
    this.#shown = now;
    const width = (this.#screen.columns ?? 80) - 1;
    const tail = this.#tail((now - this.#begun) / 1000);
    const room = Math.max(8, width - tail.length);
    const name = this.#name.length > room ? `…${this.#name.slice(1 - room)}` : this.#name;
    this.#screen.write(`\r\u001b[K${(name + tail).slice(0, width)}`);
  }

  /** A line that stays. */
  say(line: string): void {
    this.clear();
    this.#screen.write(`${line}\n`);
  }

  clear(): void {
    if (this.#shown > 0) this.#screen.write('\r\u001b[K');
    this.#shown = 0;
  }

  #tail(seconds: number): string {
    const rate = (this.#done - this.#from) / Math.max(seconds, 0.001);
    const speed = `${size(rate)}/s`;
    if (this.#total === undefined) return `  ${size(this.#done)}  ${speed}`;
    const share = this.#total > 0 ? Math.min(100, Math.floor((this.#done / this.#total) * 100)) : 100;
    const left = rate > 0 ? `  ${duration((this.#total - this.#done) / rate)} left` : '';
    return `  ${share} %  ${size(this.#done)} of ${size(this.#total)}  ${speed}${left}`;
  }
}
