import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
  watch,
  type FSWatcher,
  type Stats,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '#base/errors';
import { Lines, type OnLine } from './lines.ts';
import type { Rounds } from './rounds.ts';

/** How far a file has been read: which file, bytes, lines, and what stood before that place. */
export interface Place {
  readonly dev: number;
  readonly ino: number;
  readonly at: number;
  readonly line: number;
  readonly tail: string;
}

export interface FollowFile {
  readonly path: string;
  readonly place?: Place;
  readonly rounds: Rounds;
  /** Number and bytes. */
  readonly onLine: (number: number, line: Uint8Array) => void;
  /** A line that stands before where it begins, for what comes before a match. */
  readonly onOld: (number: number, line: Uint8Array) => void;
  /** Some of it was read: `place` has moved on. */
  readonly onRead: () => void;
  readonly onError: (error: unknown) => void;
}

const piece = 64 * 1024;
/** A busy log is read this often, ms, however often it is written. */
const gather = 200;
/** For file systems that do not say when they are written, ms. */
const lookAnyway = 60_000;
const tailSize = 32;

/**
 * Follows a file as it grows, is renamed and made anew (`logrotate`), or cut short (`copytruncate`), told by the kernel. It
 * begins where it has been before, in the renamed file if need be, and at the end if it never was here.
 */
export class FileFollower implements Disposable {
  readonly #options: FollowFile;
  readonly #buffer = Buffer.allocUnsafe(piece);
  #fd: number | undefined;
  #stat: { dev: number; ino: number } = { dev: 0, ino: 0 };
  #at = 0;
  #line = 0;
  #tail: Buffer = Buffer.alloc(0);
  #lines: Lines;
  #watchers: FSWatcher[] = [];
  #off: () => void;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #next = 0;

  constructor(options: FollowFile) {
    this.#options = options;
    this.#lines = this.#numbered(options.onLine);
    this.#begin(options.place);
    this.#off = options.rounds.every(lookAnyway, () => this.#soon());
    this.#watch();
    this.#soon();
  }

  /** Of the last whole line that was given out. */
  get place(): Place {
    return { ...this.#stat, at: this.#at - this.#lines.pending, line: this.#line, tail: this.#tail.toString('base64') };
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#off();
    clearTimeout(this.#timer);
    for (const watcher of this.#watchers) watcher.close();
    this.#close();
  }

  #numbered(give: (number: number, line: Uint8Array) => void): Lines {
    const onLine: OnLine = (line) => {
      this.#line += 1;
      give(this.#line, line);
    };
    return new Lines(onLine);
  }

  #begin(place: Place | undefined): void {
    const { path, rounds: _, onOld } = this.#options;
    const now = statOf(path);
    if (!place) {
      // Never seen: what stands in it is old, but its lines count.
      if (now && this.#open(path)) this.#skip(now.size, onOld);
      return;
    }
    const same = (stat: Stats | undefined): boolean =>
      stat?.ino === place.ino && stat.dev === place.dev && stat.size >= place.at;
    const file = same(now) ? path : renamed(path, same);
    if (file === undefined || !this.#open(file)) return void this.#open(path);
    if (place.at > 0 && !this.#tailAt(place.at).equals(Buffer.from(place.tail, 'base64'))) {
      // The same file by its number, but another one by what is in it.
      if (file !== path) this.#open(path);
      return;
    }
    this.#lookBack(place, onOld);
    this.#at = place.at;
    this.#line = place.line;
    this.#tail = Buffer.from(place.tail, 'base64');
  }

  /** The lines that stand just before a place. */
  #lookBack({ at, line }: Place, give: FollowFile['onOld']): void {
    const from = Math.max(0, at - piece);
    const size = readSync(this.#fd!, this.#buffer, 0, at - from, from);
    const found: Uint8Array[] = [];
    const lines = new Lines((one) => found.push(one));
    lines.push(this.#buffer.subarray(0, size));
    // The first may be the end of one.
    if (from > 0) found.shift();
    found.forEach((one, index) => give(line - found.length + index + 1, one));
  }

  #skip(size: number, give: FollowFile['onOld']): void {
    const recent: Uint8Array[] = [];
    const lines = new Lines((line) => {
      this.#line += 1;
      recent.push(line);
      if (recent.length > 500) recent.shift();
    });
    while (this.#at < size) {
      const count = readSync(this.#fd!, this.#buffer, 0, Math.min(piece, size - this.#at), this.#at);
      if (count === 0) break;
      lines.push(this.#buffer.subarray(0, count));
      this.#at += count;
    }
    // A line that is only begun is new when it ends.
    this.#at -= lines.pending;
    this.#tail = this.#tailAt(this.#at);
    recent.forEach((line, index) => give(this.#line - recent.length + index + 1, line));
  }

  #tailAt(at: number): Buffer {
    const size = Math.min(tailSize, at);
    const bytes = Buffer.alloc(size);
    readSync(this.#fd!, bytes, 0, size, at - size);
    return bytes;
  }

  #open(path: string): boolean {
    this.#close();
    try {
      this.#fd = openSync(path, 'r');
    } catch {
      return false;
    }
    const stat = fstatSync(this.#fd);
    if (!stat.isFile()) {
      this.#close();
      throw new Error(`${path} is no file`);
    }
    this.#stat = { dev: stat.dev, ino: stat.ino };
    this.#restart();
    return true;
  }

  #restart(): void {
    this.#at = 0;
    this.#line = 0;
    this.#tail = Buffer.alloc(0);
    this.#lines = this.#numbered(this.#options.onLine);
  }

  #close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** Now, unless it was only just read: then a little later, once. */
  #soon(): void {
    if (this.#closed || this.#timer) return;
    const wait = Math.max(0, this.#next - performance.now());
    this.#timer = setTimeout(() => {
      this.#next = performance.now() + gather;
      this.#turn();
    }, wait);
  }

  /** A disk that cannot be read ends this: whoever follows begins again. */
  #turn(): void {
    this.#timer = undefined;
    try {
      this.#pump();
    } catch (error) {
      this.#options.onError(error);
    }
  }

  #pump(): void {
    if (this.#closed) return;
    const { path, onRead } = this.#options;
    const before = this.#at;
    const more = this.#read();
    if (this.#at !== before) {
      this.#tail = this.#tailAt(this.#at - this.#lines.pending);
      onRead();
    }
    if (more) {
      // A large file is read in turns with all else.
      this.#timer = setTimeout(() => this.#turn(), 1);
      return;
    }
    const now = statOf(path);
    if (now && (this.#fd === undefined || now.ino !== this.#stat.ino || now.dev !== this.#stat.dev)) {
      if (this.#open(path)) {
        this.#watch();
        this.#soon();
      }
    } else if (!now && this.#watchers.length === 0) this.#watch();
  }

  /** At most a megabyte; whether there is more. */
  #read(): boolean {
    if (this.#fd === undefined) return false;
    if (fstatSync(this.#fd).size < this.#at) this.#restart();
    for (let turn = 0; turn < 16; turn += 1) {
      const count = readSync(this.#fd, this.#buffer, 0, piece, this.#at);
      if (count === 0) return false;
      this.#at += count;
      this.#lines.push(this.#buffer.subarray(0, count));
    }
    return true;
  }

  /** The file says when it grows, moves or goes; its folder only while there is no file, for others write there too. */
  #watch(): void {
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    const { path } = this.#options;
    const add = (what: string, listen: (event: string, name: string | null) => void): void => {
      try {
        const watcher = watch(what, listen);
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') throw error;
      }
    };
    add(path, (event) => {
      this.#soon();
      // Moved away or deleted: the next of this name may be there already, or is waited for.
      if (event === 'rename') this.#watch();
    });
    const missing = (): boolean => statOf(path)?.ino !== this.#stat.ino;
    if (!missing()) return;
    add(dirname(path), (_, name) => {
      if (name !== null && name !== basename(path)) return;
      if (statOf(path)) this.#soon();
    });
    // It may have come before its folder was watched.
    if (statOf(path)) this.#soon();
  }
}

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path);
  } catch {
    return undefined;
  }
}

/** Where a file went that had this name: beside it, with more behind its name. */
function renamed(path: string, same: (stat: Stats | undefined) => boolean): string | undefined {
  const [folder, name] = [dirname(path), basename(path)];
  try {
    return readdirSync(folder)
      .filter((other) => other.startsWith(name) && other !== name)
      .map((other) => join(folder, other))
      .find((other) => same(statOf(other)));
  } catch {
    return undefined;
  }
}
