import type { Level, LogLine } from '../alert.ts';
import manifest from '../manifest.ts';
import { Expiry } from './expiry.ts';
import type { Finding } from './judge.ts';
import type { State } from './ledger.ts';
import type { Matches } from './pattern.ts';
import { readable } from './programs.ts';
import { well, type FollowHost } from './watched.ts';

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

/** Lines of a log in, findings out: of whatever source, which says how far it was read (`place`). */
export class LogReader implements Disposable {
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
