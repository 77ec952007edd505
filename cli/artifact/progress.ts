import type { Readable, Writable } from 'node:stream';

/** A command's streams: results go to `out`, all other words to `diagnostics`. */
export interface Terminal {
  readonly input: Readable;
  readonly out: Writable;
  readonly diagnostics: Writable & { readonly isTTY?: boolean; readonly columns?: number };
}

/** A bar on a terminal while a long task runs. Silent in a pipe. */
export interface Progress {
  add(bytes: number): void;
  done(): void;
}

const silent: Progress = { add: () => undefined, done: () => undefined };

/** `total` in bytes. */
export function progressBar({ diagnostics }: Terminal, title: string, total: number, wanted = true): Progress {
  if (!wanted || !diagnostics.isTTY) return silent;
  const width = Math.max(10, Math.min(50, (diagnostics.columns ?? 80) - title.length - 10));
  let bytes = 0;
  let shown = -1;
  const draw = (percent: number) => {
    if (percent === shown) return;
    shown = percent;
    const filled = Math.round((width * percent) / 100);
    diagnostics.write(`\r${title} [${'#'.repeat(filled)}${'.'.repeat(width - filled)}] ${percent} %`);
  };
  draw(0);
  return {
    add(more) {
      bytes += more;
      draw(total > 0 ? Math.min(99, Math.floor((bytes / total) * 100)) : 99);
    },
    done() {
      diagnostics.write(`\r${' '.repeat(title.length + width + 9)}\r`);
    },
  };
}

/** Counts what flows through. */
export async function* counted(
  source: AsyncIterable<Uint8Array>,
  progress: Progress,
): AsyncGenerator<Uint8Array, void> {
  for await (const chunk of source) {
    progress.add(chunk.length);
    yield chunk;
  }
}
