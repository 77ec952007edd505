import { createHash } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { levels, type Level, type LogLine } from '../alert.ts';
import { FolderWatch } from './folders.ts';
import type { Word } from './judge.ts';
import { readable } from './programs.ts';

/** An alert that the shell library was given. */
export interface Spooled {
  /** The same each time that this file is read. */
  readonly id: string;
  readonly key: string;
  readonly subject: { readonly name: string; readonly type: string };
  readonly word: Word;
  /** When it was given, ms; undefined: it does not say. */
  readonly at: number | undefined;
}

const sizeLimit = 512 * 1024;
/** Of lines and of one of them, in an alert. */
const lineCount = 500;
const shown = 4096;

/** The folder into which `monitor_send_alert` puts alerts, a file each; they wait there while nobody runs. */
export class Spool implements Disposable {
  readonly #folder: string;
  readonly #log: Log;
  readonly #take: (alert: Spooled) => void;
  #watch: FolderWatch | undefined;

  constructor(stateFolder: string, log: Log, take: (alert: Spooled) => void) {
    this.#folder = join(stateFolder, 'spool');
    this.#log = log;
    this.#take = take;
  }

  /** Takes what waits there, and what comes. The library makes the folder when it has something to put into it. */
  start(): void {
    this.#watch = new FolderWatch(this.#folder, this.#log, () => this.#read());
    this.#read();
  }

  [Symbol.dispose](): void {
    this.#watch?.[Symbol.dispose]();
  }

  #read(): void {
    let files: { file: string; at: number }[];
    try {
      files = readdirSync(this.#folder)
        .filter((name) => name.endsWith('.alert'))
        .map((name) => join(this.#folder, name))
        .map((file) => ({ file, at: statSync(file).mtimeMs }))
        .sort((one, other) => one.at - other.at || (one.file < other.file ? -1 : 1));
    } catch {
      // There is none, or one has gone meanwhile: the kernel says so, and it is looked for again.
      return;
    }
    for (const { file, at } of files) {
      try {
        const stat = lstatSync(file);
        if (!stat.isFile() || stat.size > sizeLimit) throw new Error(`no file of at most ${sizeLimit} bytes`);
        this.#take(spooledOf(readFileSync(file), `${file} ${at}`));
      } catch (error) {
        this.#log.error('alert of a script not understood', { file, error: messageOf(error) });
      }
      rmSync(file, { force: true, recursive: true });
    }
  }
}

/** Fields with a NUL behind each: no shell can have one in them. */
function spooledOf(bytes: Buffer, seed: string): Spooled {
  const fields: string[] = [];
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0, from);
    if (end < 0) break;
    fields.push(readable(bytes.subarray(from, end)));
    from = end + 1;
  }
  const [
    time = '',
    key = '',
    level = '',
    name = '',
    details = '',
    subject = '',
    status = '',
    type = '',
    pattern = '',
    logFile = '',
    before = '',
    matching = '',
    after = '',
  ] = fields;
  if (!(levels as readonly string[]).includes(level)) throw new Error(`there is no level '${level.slice(0, 40)}'`);
  if (name === '') throw new Error('it has no description');
  const lines =
    before || matching || after
      ? { before: split(before), matching: { data: matching.slice(0, shown) }, after: split(after) }
      : undefined;
  const where = [pattern && `pattern: ${pattern}`, logFile && `log file: ${logFile}`].filter(Boolean).join(', ');
  return {
    id: createHash('sha256').update(seed).update(bytes).digest('base64url'),
    key: key || `${type || 'manual'}_${subject || 'alert'}`,
    subject: { name: subject, type: type || 'custom' },
    at: /^\d{9,12}$/.test(time) ? Number(time) * 1000 : undefined,
    word: {
      level: level as Level,
      name,
      status,
      description: [details, where].filter(Boolean).join('; '),
      ...(lines ? { lines } : {}),
    },
  };
}

const split = (text: string): LogLine[] =>
  text === ''
    ? []
    : text
        .split('\n')
        .slice(0, lineCount)
        .map((line) => ({ data: line.slice(0, shown).toWellFormed() }));
