import { followOutput } from './follow-output.ts';
import { plausible } from './ledger.ts';
import { lineLimit, Lines } from './lines.ts';
import type { LogReader } from './log-reader.ts';
import { readable } from './programs.ts';
import type { FollowHost } from './watched.ts';

/** Of one entry of the journal with all its escapes, bytes. */
const entryLimit = 1024 * 1024;

/** What a unit has logged since it was last read, from the journal; `*`: every unit. */
export async function followJournal(
  unit: string,
  reader: LogReader,
  host: FollowHost,
  signal: AbortSignal,
): Promise<void> {
  let cursor = typeof host.memory?.['cursor'] === 'string' ? host.memory['cursor'] : undefined;
  let number = typeof host.memory?.['line'] === 'number' ? host.memory['line'] : 0;
  // Until there was an entry: since when. Of a clock that was set meanwhile that says nothing.
  const kept = Number(host.memory?.['since']);
  const since = kept > plausible && kept <= Date.now() ? kept : Date.now();
  reader.place = () => ({ line: number, ...(cursor === undefined ? { since } : { cursor }) });
  reader.read();
  // By --lines=0 a unit that has written nothing yet would never be heard: journalctl then stays behind the end.
  const from = cursor === undefined ? `--since=@${(since / 1000).toFixed(3)}` : `--after-cursor=${cursor}`;
  const of = unit === '*' ? [] : [`--unit=${unit}`];
  const fields = '--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_PID';
  const lines = new Lines((line) => {
    const entry = entryOf(readable(line));
    if (!entry) return;
    ({ cursor } = entry);
    for (const text of entry.text.split('\n')) {
      number += 1;
      reader.text(number, text);
    }
  }, entryLimit);
  // Without --all a message of more than 4096 bytes is not given out.
  const args = ['journalctl', '--follow', '--all', '--output=json', fields, '--quiet', from, ...of];
  const code = await followOutput(
    args,
    lines,
    () => reader.opened(),
    () => reader.read(),
    signal,
  );
  if (!signal.aborted) throw new Error(`journalctl ended with exit code ${code}`);
}

function entryOf(line: string): { cursor: string; text: string } | undefined {
  try {
    const {
      __CURSOR: cursor,
      MESSAGE: message,
      SYSLOG_IDENTIFIER: identifier,
      _PID: pid,
    } = JSON.parse(line) as Record<string, unknown>;
    if (typeof cursor !== 'string') return undefined;
    // What is no UTF-8 comes as numbers.
    const text =
      typeof message === 'string'
        ? message
        : Array.isArray(message)
          ? readable(Uint8Array.from(message as number[]))
          : '';
    const who = typeof identifier === 'string' ? `${identifier}${typeof pid === 'string' ? `[${pid}]` : ''}: ` : '';
    return { cursor, text: who + text.slice(0, lineLimit) };
  } catch {
    return undefined;
  }
}
