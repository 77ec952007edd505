import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { Backoff, pause } from '#base/backoff';
import type { Level, LogLine } from '../alert.ts';
import manifest from '../manifest.ts';
import { Expiry } from './expiry.ts';
import { FileFollower, type Place } from './follow-file.ts';
import type { Finding } from './judge.ts';
import { plausible, type State } from './ledger.ts';
import { lineLimit, Lines } from './lines.ts';
import { compilePattern, type Matches } from './pattern.ts';
import { endGroup, readable, safeEnvironment } from './programs.ts';
import { well, type FollowHost, type Watched } from './watched.ts';

export interface LogCheck {
  readonly name: string;
  readonly pattern: string;
  readonly source: { readonly file: string } | { readonly command: string } | { readonly journal: string };
  readonly level: Level;
  /** Seconds; 0: until somebody says by hand that it is well. */
  readonly expires: number;
  readonly before: number;
  readonly after: number;
  /** Of derived checks, such as those of Docker. */
  readonly texts?: {
    readonly name?: string;
    readonly details?: string;
    readonly status?: string;
    readonly type?: string;
  };
}

/** For lines that come after a match, ms. */
const afterwards = 1000;
/** Of one line in an alert, characters. */
const shown = 4096;
/** In what Monitor itself has logged: of an alert the name, and in it the pattern. That is no new match, wherever it is read. */
const ownWords = `"addon":"${manifest.id}"`;
/** Of one entry of the journal with all its escapes, bytes. */
const entryLimit = 1024 * 1024;
/** Lines that a command has printed before it ended are not new when it prints them again, so soon after it began, ms. */
const repeats = 1500;
const remembered = 512;

export function log(check: LogCheck): Watched {
  const { name, pattern, source, texts = {} } = check;
  const matches = compilePattern(pattern);
  return {
    title: texts.name ?? `Log file contains ${pattern}`,
    subject: { name, type: texts.type ?? 'log' },
    async follow(host, signal) {
      using reader = new Reader(check, matches, host);
      if ('file' in source) await followFile(source.file, reader, host, signal);
      else if ('command' in source) await followCommand(source.command, reader, host, signal);
      else await followJournal(source.journal, reader, host, signal);
    },
  };
}

/** Lines in, findings out. */
class Reader implements Disposable {
  readonly #check: LogCheck;
  readonly #matches: Matches;
  readonly #expiry: Expiry;
  readonly #host: FollowHost;
  readonly #before: LogLine[] = [];
  #found: { before: LogLine[]; matching: LogLine; after: LogLine[] } | undefined;
  #off: (() => void) | undefined;
  /** How far the source was read, to be remembered with what was found there. */
  place: () => State = () => ({});

  constructor(check: LogCheck, matches: Matches, host: FollowHost) {
    this.#check = check;
    this.#matches = matches;
    this.#host = host;
    const { pattern, expires, texts = {} } = check;
    this.#expiry = new Expiry(host, expires, () =>
      well(texts.status ?? 'LOGCONTAINS', `no match of ${pattern} for ${expires} s`),
    );
  }

  old(number: number, line: Uint8Array): void {
    this.#remember({ line_number: number, data: show(readable(line)) });
  }

  line(number: number, line: Uint8Array): void {
    this.text(number, readable(line));
  }

  text(number: number, text: string): void {
    const line = { line_number: number, data: show(text) };
    const found = this.#found;
    if (found) {
      if (found.after.length < this.#check.after) found.after.push(line);
      if (found.after.length >= this.#check.after) this.#say();
    } else if (!text.includes(ownWords) && this.#matches(text)) {
      if (this.#expiry.bad && this.#host.level() !== 'UNKNOWN') this.#expiry.again();
      else {
        this.#found = { before: [...this.#before], matching: line, after: [] };
        if (this.#check.after === 0) this.#say();
        else this.#off = this.#host.rounds.moment(afterwards, () => this.#say());
      }
    }
    this.#remember(line);
  }

  /** Some of the source was read. While something was found and not said, it counts as unread. */
  read(): void {
    if (this.#found === undefined) this.#host.note({ ...this.place(), ...this.#expiry.memory });
  }

  /** It can be read at all. */
  opened(): void {
    if (this.#host.level() === 'UNKNOWN') void this.#host.say(well('watching', 'it is read again'));
  }

  [Symbol.dispose](): void {
    this.#off?.();
    this.#expiry[Symbol.dispose]();
  }

  #remember(line: LogLine): void {
    this.#before.push(line);
    if (this.#before.length > this.#check.before) this.#before.shift();
  }

  #say(): void {
    this.#off?.();
    const found = this.#found;
    this.#found = undefined;
    if (!found) return;
    const { level, pattern, source, texts = {} } = this.#check;
    const where =
      'file' in source ? source.file : 'command' in source ? `@${source.command}` : `journal of ${source.journal}`;
    const details = texts.details ?? `${where} contains ${pattern}`;
    const finding: Finding = {
      level,
      status: texts.status ?? 'LOGCONTAINS',
      description: details.replaceAll('%line_matching', () => found.matching.data),
      lines: found,
    };
    void this.#expiry.matched(finding, this.place);
  }
}

const show = (text: string): string => (text.length > shown ? `${text.slice(0, shown)}…` : text).toWellFormed();

async function followFile(path: string, reader: Reader, host: FollowHost, signal: AbortSignal): Promise<void> {
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

/** The output of a command, which is started again whenever it ends. It comes from a file of the device's owner: a shell runs it. */
async function followCommand(command: string, reader: Reader, host: FollowHost, signal: AbortSignal): Promise<void> {
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
    const code = await output(
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

async function followJournal(unit: string, reader: Reader, host: FollowHost, signal: AbortSignal): Promise<void> {
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
  const code = await output(
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

/** Runs a program until it ends or the signal aborts; then all that it started is ended as well. */
async function output(
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
