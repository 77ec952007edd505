import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { CodedError, messageOf } from '#base/errors';
import { castEvent, castText, type CastHeader } from '#proto/cast';
import type { Recorder } from '../relay/recorder.ts';

/** Longest line that is looked for at the end of a file: one message of a device, every byte of it escaped. */
const tailSize = 8 * 1024 * 1024;

export interface WriterOptions {
  /** When the recording began, ms since the epoch: times of events count from here. */
  readonly startedAt: number;
  /** Bytes of the file. */
  readonly limit: number;
  readonly closed: (over: boolean, size: number) => void;
}

/**
 * One recording that is being written. Each event is in the file before anybody sees it, and is one line: of a server
 * that is killed the recording can be read up to that moment. Not awaited, as its order is all that it is about; it goes
 * to the system's cache, at some microseconds a message.
 */
export class CastWriter implements Recorder {
  readonly #fd: number;
  readonly #options: WriterOptions;
  #size: number;
  #seq: number;
  /** Of a character that has not come to its end. */
  #rest: Uint8Array = new Uint8Array();
  #closed = false;

  private constructor(fd: number, size: number, seq: number, options: WriterOptions) {
    this.#fd = fd;
    this.#size = size;
    this.#seq = seq;
    this.#options = options;
  }

  /** Throws what the file system says. */
  static create(path: string, header: CastHeader, options: WriterOptions): CastWriter {
    const fd = openSync(path, 'wx', 0o600);
    const made = new CastWriter(fd, 0, 0, options);
    try {
      made.#write(`${JSON.stringify(header)}\n`);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    return made;
  }

  /** Goes on with one that another process began; a line that it did not finish is taken away. */
  static append(path: string, options: WriterOptions): CastWriter {
    const fd = openSync(path, 'r+');
    try {
      const { size } = fstatSync(fd);
      const from = Math.max(0, size - tailSize);
      const tail = Buffer.alloc(size - from);
      readSync(fd, tail, 0, tail.length, from);
      const end = tail.lastIndexOf(0x0a) + 1;
      ftruncateSync(fd, from + end);
      const lines = tail.subarray(0, end).toString().split('\n');
      const numbered = lines.findLast((line) => castEvent(line)?.seq !== undefined);
      const seq = numbered === undefined ? 0 : (castEvent(numbered)?.seq ?? 0);
      return new CastWriter(fd, from + end, seq, options);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  get seq(): number {
    return this.#seq;
  }

  output(bytes: Uint8Array, seq: number): void {
    if (this.#closed) return;
    const joined = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes;
    const { text, rest } = castText(joined);
    // A copy: what comes from a socket is a view of a much larger buffer.
    this.#rest = rest.slice();
    this.#seq = seq;
    if (text || seq > 0) this.#event('o', text, seq);
  }

  resize(cols: number, rows: number): void {
    if (!this.#closed) this.#event('r', `${cols}x${rows}`);
  }

  close(over: boolean): void {
    if (this.#closed) return;
    try {
      // What never came to its end is written as it is.
      if (this.#rest.length > 0)
        this.#event('o', String.fromCharCode(...Array.from(this.#rest, (byte) => 0xdc00 + byte)), this.#seq);
      fdatasyncSync(this.#fd);
    } catch {
      // Full: what is there is there.
    }
    this.#closed = true;
    closeSync(this.#fd);
    this.#options.closed(over, this.#size);
  }

  #event(type: 'o' | 'r', data: string, seq = 0): void {
    const time = Math.max(0, Date.now() - this.#options.startedAt) / 1000;
    const event = seq > 0 ? [time, type, data, seq] : [time, type, data];
    try {
      if (this.#size > this.#options.limit)
        throw new CodedError('full', `it has reached ${Math.round(this.#options.limit / 1e6)} MB`);
      this.#write(`${JSON.stringify(event)}\n`);
    } catch (error) {
      throw new CodedError('not_recorded', `the recording of this terminal cannot go on: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }

  #write(line: string): void {
    const bytes = Buffer.from(line);
    for (let at = 0; at < bytes.length;) at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#size + at);
    this.#size += bytes.length;
  }
}
