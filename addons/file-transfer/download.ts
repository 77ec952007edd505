import { constants } from 'node:fs';
import { open, readlink, realpath, type FileHandle } from 'node:fs/promises';
import type { Flight } from '#base/flight';
import { bodyChunk, type Terms } from '#proto';
import { goError } from './go-error.ts';
import type { Limits } from './limits.ts';
import { piecesOf } from './pieces.ts';
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
  /** Of the session: one download at a time uses it. */
  readonly flight: Flight;
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
  #total: number | undefined;
  #aborted = false;
  #woken: () => void = () => undefined;

  private constructor(options: DownloadOptions, file: FileHandle, regular: boolean) {
    this.#options = options;
    this.#file = file;
    this.#regular = regular;
    const { terms, offset } = options;
    options.flight.again(terms?.window ?? stockWindow, offset, terms?.prompt ?? true);
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
    const { offset, wire, flight } = this.#options;
    let at = offset;
    try {
      for await (const bytes of this.#bytes()) {
        await this.#send(bytes, at);
        if (this.#aborted) return;
        at += bytes.length;
      }
      this.#total = at;
      this.acknowledge(offset);
      wire.send({ typ: 'file_chunk', props: { offset: at }, body: new Uint8Array() });
      while (flight.acknowledged < at && !this.#aborted) await this.#news();
    } finally {
      await this.#file.close();
    }
  }

  /** Bytes whose place in the file is `at`, as far as the transfer is not aborted meanwhile. */
  async #send(bytes: Uint8Array, at: number): Promise<void> {
    const { terms, limits, wire, flight } = this.#options;
    for (let from = 0; from < bytes.length;) {
      const body = bytes.subarray(from, from + Math.min(terms?.chunk ?? bodyChunk, flight.piece));
      while (!flight.takes(body.length) && !this.#aborted) await this.#news();
      if (this.#aborted) return;
      limits.sending(body.length);
      const room = wire.send({ typ: 'file_chunk', props: { offset: at + from }, body });
      flight.send(body.length);
      from += body.length;
      if (!room) await wire.drained();
    }
  }

  /** The peer has received so many bytes. */
  acknowledge(offset: number): void {
    const { flight, over } = this.#options;
    flight.acknowledge(offset);
    if (this.#total !== undefined && flight.acknowledged >= this.#total) over();
    this.#woken();
  }

  abort(): void {
    this.#aborted = true;
    this.#woken();
  }

  async *#bytes(): AsyncGenerator<Uint8Array> {
    try {
      yield* piecesOf(this.#file, this.#regular ? this.#options.offset : undefined);
    } catch (error) {
      throw new Refusal(`failed to copy file chunk to session: ${goError('read', this.#options.path, error)}`);
    }
  }

  #news(): Promise<void> {
    return new Promise((resolve) => (this.#woken = resolve));
  }
}
