import { closeSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '#base/errors';
import { makeFolderSync } from '#base/folder';
import type { Log } from '#base/log';
import type { LogMessage } from '#proto/http/device';

type Fields = Readonly<Record<string, unknown>>;

const keptLogs = 5;
const bytesToKeepFree = 100 * 1024;
/** What the server takes is 1 MiB; some room for the envelope. */
const uploadLimit = 1_000_000 - 256;

/** A log whose lines also go to the file of a deployment (`update-client.md` §2.7). Losing that file stops nothing. */
export class DeploymentLog implements Log {
  readonly #below: Log;
  readonly #file: LogFile;
  private constructor(below: Log, file: LogFile) {
    this.#below = below;
    this.#file = file;
  }

  /** Continues the file of the same deployment, else makes room for a new one. */
  static open(folder: string, id: string, below: Log): DeploymentLog {
    return new DeploymentLog(below, new LogFile(folder, id, below));
  }

  debug(event: string, fields?: Fields): void {
    this.#below.debug(event, fields);
    this.#file.add('debug', event, fields);
  }
  info(event: string, fields?: Fields): void {
    this.#below.info(event, fields);
    this.#file.add('info', event, fields);
  }
  warn(event: string, fields?: Fields): void {
    this.#below.warn(event, fields);
    this.#file.add('warning', event, fields);
  }
  error(event: string, fields?: Fields): void {
    this.#below.error(event, fields);
    this.#file.add('error', event, fields);
  }
  child(fields: Fields): Log {
    return new DeploymentLog(this.#below.child(fields), this.#file);
  }

  /** What goes to the server. */
  messages(): LogMessage[] {
    return this.#file.messages();
  }
  close(): void {
    this.#file.close();
  }
}

class LogFile {
  readonly #path: string;
  #handle: number | undefined;
  constructor(folder: string, id: string, log: Log) {
    const safe = id.replaceAll(/[^A-Za-z0-9._-]/g, '_').slice(0, 200);
    this.#path = join(folder, `deployments.0000.${safe}.log`);
    try {
      makeFolderSync(folder);
      rotate(folder, safe);
      this.#handle = openSync(this.#path, 'a', 0o600);
    } catch (error) {
      log.warn('deployment log cannot be kept', { file: this.#path, error: messageOf(error) });
    }
  }

  add(level: string, event: string, fields: Fields = {}): void {
    if (this.#handle === undefined) return;
    const details = Object.entries(fields).map(
      ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
    );
    const entry: LogMessage = { timestamp: new Date().toISOString(), level, message: event + details.join('') };
    try {
      writeSync(this.#handle, `${JSON.stringify(entry)}\n`);
    } catch {
      // Full or failing disk: the update matters more than its log.
    }
  }

  messages(): LogMessage[] {
    let text = '';
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch {
      // No file, then the message below says so.
    }
    return uploadable(text);
  }

  close(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
  }
}

/** Log lines as the server takes them: unreadable ones replaced, the oldest dropped above the limit, both said. */
export function uploadable(text: string): LogMessage[] {
  const now = new Date().toISOString();
  let damaged = false;
  const messages = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const entry = parseEntry(line);
      damaged ||= !entry;
      return entry ?? { timestamp: now, level: 'error', message: '(CORRUPTED LOG DATA)' };
    });
  const notices: LogMessage[] = [];
  let size = 0;
  let from = messages.length;
  while (from > 0) {
    const length = Buffer.byteLength(JSON.stringify(messages[from - 1])) + 1;
    if (size + length > uploadLimit - 512) break;
    size += length;
    from -= 1;
  }
  if (from > 0)
    notices.push({
      timestamp: now,
      level: 'warning',
      message: `(THE ORIGINAL LOGS WERE TOO BIG, THIS LOG IS TRUNCATED: the ${from} oldest entries are left out)`,
    });
  if (damaged)
    notices.push({ timestamp: now, level: 'warning', message: '(THE ORIGINAL LOGS CONTAINED INVALID ENTRIES)' });
  const kept = messages.slice(from);
  if (notices.length + kept.length === 0)
    return [{ timestamp: now, level: 'warning', message: 'no log of this deployment could be kept' }];
  return [...notices, ...kept];
}

function parseEntry(line: string): LogMessage | undefined {
  try {
    const { timestamp, level, message } = JSON.parse(line) as Record<string, unknown>;
    if (typeof timestamp !== 'string' || typeof level !== 'string' || typeof message !== 'string') return undefined;
    if (Number.isNaN(Date.parse(timestamp)) || level === '') return undefined;
    return { timestamp, level, message: message === '' ? '(empty)' : message };
  } catch {
    return undefined;
  }
}

/** Newest is 0000. Five are kept, fewer if the disk is nearly full. */
function rotate(folder: string, id: string): void {
  const name = /^deployments\.(\d{4})\.(.+)\.log$/;
  const logs = readdirSync(folder)
    .map((file) => ({ file, match: name.exec(file) }))
    .filter(({ match }) => match !== null)
    .sort((a, b) => (a.file < b.file ? -1 : 1));
  const current = logs.find(({ match }) => match?.[2] === id);
  if (current?.match?.[1] === '0000') return;
  const others = logs.filter((log) => log !== current);
  others.slice(keptLogs - 1).forEach(({ file }) => rmSync(join(folder, file), { force: true }));
  const kept = others.slice(0, keptLogs - 1);
  // From the oldest on, so that no step overwrites another log.
  kept
    .map(({ file, match }, index) => ({
      file,
      to: `deployments.${String(index + 1).padStart(4, '0')}.${match?.[2]}.log`,
    }))
    .reverse()
    .forEach(({ file, to }) => file !== to && renameSync(join(folder, file), join(folder, to)));
  if (current) renameSync(join(folder, current.file), join(folder, `deployments.0000.${id}.log`));
  for (let index = kept.length; index > 0 && nearlyFull(folder); index -= 1)
    rmSync(join(folder, `deployments.${String(index).padStart(4, '0')}.${kept[index - 1]?.match?.[2]}.log`), {
      force: true,
    });
}

function nearlyFull(folder: string): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize < bytesToKeepFree;
}
