import { bytes } from './age.ts';
import { painter, type Io } from './io.ts';

/** A line on the error output that is written over and over, where that is a screen; nothing elsewhere. */
export class StatusLine {
  readonly #io: Io;
  readonly #interval: number;
  #last = 0;
  #shown = false;
  /** `interval`: ms between two writes; what comes faster is left out. */
  constructor(io: Io, interval = 100) {
    this.#io = io;
    this.#interval = interval;
  }

  get visible(): boolean {
    return this.#io.err.isTTY === true;
  }

  get width(): number {
    return this.#io.err.columns || 80;
  }

  show(text: () => string, now = performance.now()): void {
    if (!this.visible || (this.#shown && now - this.#last < this.#interval)) return;
    this.#last = now;
    this.#shown = true;
    this.#io.err.write(`\r\u001b[K${text()}`);
  }

  /** Takes the line away, so that what is written next begins where it began. */
  clear(): void {
    if (this.#shown) this.#io.err.write('\r\u001b[K');
    this.#shown = false;
  }
}

/** Progress of a transfer of `total` bytes (undefined: not known): `add` what went through, `clear` at the end. */
export class Transfer {
  readonly #line: StatusLine;
  readonly #io: Io;
  readonly #name: string;
  readonly #total: number | undefined;
  readonly #begun = performance.now();
  #done = 0;
  constructor(io: Io, name: string, total: number | undefined) {
    this.#io = io;
    this.#line = new StatusLine(io);
    this.#name = name;
    this.#total = total;
  }

  add(count: number): void {
    this.#done += count;
    this.#line.show(() => this.#text());
  }

  clear(): void {
    this.#line.clear();
  }

  /** `12.3 MB in 1.4 s, 8.8 MB/s`. */
  get summary(): string {
    const seconds = (performance.now() - this.#begun) / 1000;
    return `${bytes(this.#done)} in ${seconds.toFixed(1)} s, ${bytes(this.#done / Math.max(seconds, 0.001))}/s`;
  }

  #text(): string {
    const seconds = (performance.now() - this.#begun) / 1000;
    const rate = this.#done / Math.max(seconds, 0.001);
    const total = this.#total;
    if (!total) return `${this.#name}  ${bytes(this.#done)}  ${bytes(rate)}/s`;
    const share = Math.min(1, this.#done / total);
    const left = seconds > 1 && rate > 0 ? `  ${Math.ceil((total - this.#done) / rate)} s left` : '';
    const tail = `  ${String(Math.floor(share * 100)).padStart(3)} %  ${bytes(this.#done)} of ${bytes(total)}  ${bytes(rate)}/s${left}`;
    const room = this.#line.width - tail.length - this.#name.length - 3;
    return `${this.#name}  ${bar(this.#io, share, Math.max(10, Math.min(30, room)))}${tail}`.slice(
      0,
      this.#line.width + 20,
    );
  }
}

/** A bar of that many characters, `share` (0…1) of it full. */
export function bar(io: Io, share: number, width: number): string {
  const full = Math.round(share * width);
  const paint = painter(io, io.err);
  return paint('cyan', '█'.repeat(full)) + paint('dim', '░'.repeat(width - full));
}
