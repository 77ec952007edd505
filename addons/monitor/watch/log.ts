import { followCommand } from './follow-command.ts';
import { FileFollower, type Place } from './follow-file.ts';
import { followJournal } from './follow-journal.ts';
import { LogReader, type LogCheck } from './log-reader.ts';
import { compilePattern } from './pattern.ts';
import type { FollowHost, Watched } from './watched.ts';

/** A check of lines: of a file, of what a command prints, or of the journal. */
export function log(check: LogCheck): Watched {
  const { name, pattern, source, texts = {} } = check;
  const matches = compilePattern(pattern);
  return {
    title: texts.name ?? `Log file contains ${pattern}`,
    subject: { name, type: texts.type ?? 'log' },
    async follow(host, signal) {
      using reader = new LogReader(check, matches, host);
      if ('file' in source) await followFile(source.file, reader, host, signal);
      else if ('command' in source) await followCommand(source.command, reader, host, signal);
      else await followJournal(source.journal, reader, host, signal);
    },
  };
}

async function followFile(path: string, reader: LogReader, host: FollowHost, signal: AbortSignal): Promise<void> {
  const place = host.memory?.['place'] as Place | undefined;
  const over = Promise.withResolvers<void>();
  using follower = new FileFollower({
    path,
    ...(place ? { place } : {}),
    rounds: host.rounds,
    onLine: (number, line) => reader.line(number, line),
    onOld: (number, line) => reader.old(number, line),
    onRead: () => reader.read(),
    onError: over.reject,
  });
  reader.place = () => ({ place: follower.place });
  reader.read();
  reader.opened();
  const stop = (): void => over.resolve();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  await over.promise;
}
