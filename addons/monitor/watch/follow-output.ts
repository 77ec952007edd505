import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Lines } from './lines.ts';
import { endGroup, safeEnvironment } from './programs.ts';

/** Runs a program until it ends or the signal aborts; then all that it started is ended as well. */
export async function followOutput(
  [program = '', ...args]: readonly string[],
  lines: Lines,
  opened: () => void,
  read: () => void,
  signal: AbortSignal,
): Promise<number | null> {
  const child: ChildProcess = spawn(program, args, {
    env: safeEnvironment(),
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const stop = (): void => endGroup(child);
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const settled = setTimeout(opened, 5000);
  child.stdout?.on('data', (chunk: Buffer) => {
    opened();
    lines.push(chunk);
    read();
  });
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code;
  } finally {
    clearTimeout(settled);
    signal.removeEventListener('abort', stop);
    endGroup(child);
    child.stdout?.destroy();
  }
}
