import type { Writable } from 'node:stream';

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

export function size(bytes: number): string {
  let value = bytes;
  let unit = 'B';
  for (const next of ['kB', 'MB', 'GB', 'TB']) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return `${unit === 'B' || value >= 100 ? Math.round(value) : value.toFixed(1)} ${unit}`;
}

function duration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${String(whole % 60).padStart(2, '0')} min` : `${(minutes / 60).toFixed(1)} h`;
}
