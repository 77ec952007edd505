import { castBytes, castSize, type CastEvent, type CastHeader } from '#proto/cast';
import type { Io } from './io.ts';

export interface PlayOptions {
  /** Times as fast. */
  readonly speed: number;
  /** No pause is longer, seconds. */
  readonly idle: number;
}

/** Keys of a person at a screen. */
const keys = 'space pauses, + and - change the speed, . shows the next step, q leaves';
const fastest = 64;

/** Plays a recording on a screen, at its own pace, until its end, the person's or the signal's. */
export async function play(
  header: CastHeader,
  events: AsyncIterable<CastEvent>,
  io: Io,
  options: PlayOptions,
  signal: AbortSignal,
): Promise<void> {
  const clock = new Clock(options.speed, signal);
  const keyboard = io.in.isTTY ? io.in : undefined;
  const { columns = header.width, rows = header.height } = io.out as { columns?: number; rows?: number };
  if (io.out.isTTY && (columns < header.width || rows < header.height))
    io.err.write(`recorded at ${header.width}x${header.height}, this screen is ${columns}x${rows}\r\n`);
  if (keyboard) io.err.write(`${keys}\r\n`);
  const press = (typed: Buffer): void => clock.press(typed.toString());
  keyboard?.setRawMode?.(true);
  keyboard?.on('data', press);
  let last = 0;
  try {
    for await (const event of events) {
      const gap = Math.min(Math.max(event.time - last, 0), options.idle);
      last = event.time;
      if (!(await clock.wait(gap))) return;
      if (event.type === 'o') io.out.write(castBytes(event.data));
      else if (event.type === 'r' && castSize(event) && io.out.isTTY)
        // What the far screen changed to, this one can be asked for; who cannot do it reads over it.
        io.out.write(`\x1b[8;${castSize(event)!.rows};${castSize(event)!.cols}t`);
    }
  } finally {
    keyboard?.off('data', press);
    keyboard?.setRawMode?.(false);
    keyboard?.pause();
    if (io.out.isTTY) io.out.write('\x1b[?1049l\x1b[?1000l\x1b[?1002l\x1b[?1006l\x1b[?2004l\x1b[?25h\x1b[0m\r\n');
  }
}

/** Time of a recording: stands still, runs faster or slower, takes a step. */
class Clock {
  #speed: number;
  #paused = false;
  #over = false;
  #change: (step: boolean) => void = () => undefined;
  constructor(speed: number, signal: AbortSignal) {
    this.#speed = speed;
    this.#over = signal.aborted;
    signal.addEventListener('abort', () => this.#leave(), { once: true });
  }

  press(typed: string): void {
    for (const key of typed)
      if (key === 'q' || key === '\x03') this.#leave();
      else if (key === ' ') this.#set(() => (this.#paused = !this.#paused));
      else if (key === '+') this.#set(() => (this.#speed = Math.min(this.#speed * 2, fastest)));
      else if (key === '-') this.#set(() => (this.#speed = Math.max(this.#speed / 2, 1 / fastest)));
      else if (key === '.') this.#change(true);
  }

  /** Seconds of the recording. False: the person has left. */
  async wait(seconds: number): Promise<boolean> {
    for (let left = seconds * 1000; !this.#over && (left > 0 || this.#paused);) {
      const start = performance.now();
      const speed = this.#paused ? 0 : this.#speed;
      const step = await new Promise<boolean>((resolve) => {
        const timer = speed > 0 ? setTimeout(resolve, left / speed, false) : undefined;
        this.#change = (step) => {
          clearTimeout(timer);
          resolve(step);
        };
      });
      if (step) break;
      left -= (performance.now() - start) * speed;
    }
    return !this.#over;
  }

  #set(change: () => void): void {
    change();
    this.#change(false);
  }

  #leave(): void {
    this.#over = true;
    this.#change(false);
  }
}
