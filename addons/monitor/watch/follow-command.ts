import { Backoff, pause } from '#base/backoff';
import { followOutput } from './follow-output.ts';
import { Lines } from './lines.ts';
import type { LogReader } from './log-reader.ts';
import { readable } from './programs.ts';
import type { FollowHost } from './watched.ts';

/** Lines that a command has printed before it ended are not new when it prints them again, so soon after it began, ms. */
const repeats = 1500;
const remembered = 512;

/** The output of a command, which is started again whenever it ends. It comes from a file of the device's owner: a shell runs it. */
export async function followCommand(
  command: string,
  reader: LogReader,
  host: FollowHost,
  signal: AbortSignal,
): Promise<void> {
  const seen = new Recent(host.memory?.['seen']);
  let number = typeof host.memory?.['line'] === 'number' ? host.memory['line'] : 0;
  reader.place = () => ({ seen: seen.list, line: number });
  const backoff = new Backoff({ first: 1000, ceiling: 60_000, jitter: 0 });
  while (!signal.aborted) {
    const began = performance.now();
    const old = new Set(seen.list);
    let first: number | undefined;
    const lines = new Lines((line) => {
      first ??= performance.now();
      const text = readable(line);
      const mark = markOf(text);
      if (old.has(mark) && performance.now() - first < repeats) return;
      number += 1;
      seen.add(mark);
      reader.text(number, text);
    });
    const code = await followOutput(
      ['/bin/sh', '-c', command],
      lines,
      () => reader.opened(),
      () => reader.read(),
      signal,
    );
    if (signal.aborted) return;
    host.log.info('command of a log check has ended, it is started again', { command, code });
    if (code !== 0 && performance.now() - began < 5000) throw new Error(`'${command}' ended with exit code ${code}`);
    if (performance.now() - began > 60_000) backoff.reset();
    await pause(backoff.next(), signal);
  }
}

/** The last lines of a command, as numbers. */
class Recent {
  readonly list: number[];

  constructor(kept: unknown) {
    this.list = Array.isArray(kept)
      ? kept.filter((mark): mark is number => typeof mark === 'number').slice(-remembered)
      : [];
  }

  add(mark: number): void {
    this.list.push(mark);
    if (this.list.length > remembered) this.list.shift();
  }
}

/** A number that two different lines hardly share (FNV-1a). */
function markOf(text: string): number {
  let mark = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) mark = Math.imul(mark ^ text.charCodeAt(at), 0x01000193);
  return mark >>> 0;
}
