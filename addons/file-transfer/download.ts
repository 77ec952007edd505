import { constants } from 'node:fs';
import { open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import { bodyChunk, largeChunk, type Terms } from '#proto';
import { goError } from './go-error.ts';
import type { Limits } from './limits.ts';
import { stockWindow, type Message } from './protocol.ts';
import { Refusal } from './refusal.ts';

export interface Wire {
  send(message: Message): boolean;
  drained(): Promise<void>;
}

export interface DownloadOptions {
  readonly path: string;
  /** Where to begin, bytes. */
  readonly offset: number;
  /** What the peer takes, if it is one of ours. */
  readonly terms: Terms | undefined;
  readonly limits: Limits;
  readonly wire: Wire;
  /** All has arrived: the next transfer may begin, whatever is still to be put away. */
  readonly over: () => void;
}

/** A file on its way from the device. */
export class Download {
  readonly #options: DownloadOptions;
  readonly #file: FileHandle;
  readonly #regular: boolean;
  #acknowledged: number;
  #total: number | undefined;
  #aborted = false;
  #woken: () => void = () => undefined;

  private constructor(options: DownloadOptions, file: FileHandle, regular: boolean) {
    this.#options = options;
    this.#file = file;
    this.#regular = regular;
    this.#acknowledged = options.offset;
  }

  /** Checks and opens; throws `Refusal`. What is checked is what was opened, whatever the path leads to by then. */
  static async open(options: DownloadOptions): Promise<Download> {
    const { path, limits } = options;
    await limits.get(path);
    let file: FileHandle;
    try {
      // A pipe without a writer must not hold up a thread of the pool.
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      throw new Refusal(`failed to open file for reading: ${goError('open', path, error)}`);
    }
    try {
      const real = await readlink(`/proc/self/fd/${file.fd}`).catch(() => realpath(path));
      const stats = await file.stat();
      await limits.opened(path, real, stats);
      return new Download(options, file, stats.isFile());
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Sends all of it and waits until it has arrived, or the transfer is aborted. Throws `Refusal`. */
  async run(): Promise<void> {
    const { offset, terms, limits, wire } = this.#options;
    const chunk = terms?.chunk ?? bodyChunk;
    const window = terms?.window ?? stockWindow;
    const buffer = Buffer.allocUnsafe(largeChunk);
    let at = offset;
    try {
      for (let size = await this.#read(buffer, at); size > 0 && !this.#aborted; size = await this.#read(buffer, at)) {
        for (let from = 0; from < size; from += chunk) {
          const body = buffer.subarray(from, Math.min(size, from + chunk));
          while (at + body.length - this.#acknowledged > window && !this.#aborted) await this.#news();
          if (this.#aborted) return;
          limits.sending(body.length);
          const room = wire.send({ typ: 'file_chunk', props: { offset: at }, body });
          at += body.length;
          if (!room) await wire.drained();
        }
      }
      if (this.#aborted) return;
      this.#total = at;
      this.acknowledge(offset);
      wire.send({ typ: 'file_chunk', props: { offset: at }, body: new Uint8Array() });
      while (this.#acknowledged < at && !this.#aborted) await this.#news();
    } finally {
      await this.#file.close();
    }
  }

  /** The peer has received so many bytes. */
  acknowledge(offset: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, offset);
    if (this.#total !== undefined && this.#acknowledged >= this.#total) this.#options.over();
    this.#woken();
  }

  abort(): void {
    this.#aborted = true;
    this.#woken();
  }

  async #read(buffer: Buffer, at: number): Promise<number> {
    try {
      return (await this.#file.read(buffer, 0, buffer.length, this.#regular ? at : null)).bytesRead;
    } catch (error) {
      throw new Refusal(`failed to copy file chunk to session: ${goError('read', this.#options.path, error)}`);
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => (this.#woken = resolve));
  }
}
