import { createHash, type Hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Type, type Static } from 'typebox';
import { messageOf } from '#base/errors';
import { makeFolderSync } from '#base/folder';
import type { Log } from '#base/log';
import { parser } from '#proto/validate';
import { writeDurably } from '#base/durable';

/** Which file of a server this is, as its answer says. */
export interface Version {
  /** Strong. */
  readonly etag: string;
  readonly length: number;
}

const Note = Type.Object({
  etag: Type.String({ minLength: 1, maxLength: 1024 }),
  length: Type.Integer({ minimum: 1 }),
  size: Type.Integer({ minimum: 0 }),
  sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
});
type Note = Static<typeof Note>;
const parseNote = parser(Note, 'cache');

/** Bytes between two notes of how far a download has come. */
const noteEach = 8 * 1024 * 1024;

/**
 * What has come of the last artifact, in `DownloadCacheFolder`, so that a download that a restart or a power cut has
 * ended does not begin anew. Never trusted: what comes out of it is checked like what comes from the network, by
 * signature and checksums; its own checksum only saves an update from failing for a bad disk. Nothing that goes wrong
 * here fails a download.
 */
export class DownloadCache {
  readonly #file: string;
  readonly #note: string;
  readonly #log: Log;
  #handle: number | undefined;
  #version: Version | undefined;
  #hash: Hash = createHash('sha256');
  #size = 0;
  #noted = 0;
  #used = false;
  constructor(folder: string, log: Log) {
    this.#file = join(folder, 'artifact');
    this.#note = join(folder, 'artifact.json');
    this.#log = log;
    this.#attempt(() => makeFolderSync(folder, 0o700));
  }

  /** Bytes of it were handed out. */
  get used(): boolean {
    return this.#used;
  }

  /** How many bytes of this very file are here; what is of another or damaged is removed. `add` goes on behind them. */
  async begin(version: Version): Promise<number> {
    this.#version = version;
    const kept = await this.#kept(version).catch(() => 0);
    this.#attempt(() => {
      if (kept === 0) this.forget();
      this.#handle = openSync(this.#file, kept === 0 ? 'w' : 'a', 0o600);
    });
    this.#size = kept;
    this.#noted = kept;
    this.#used = kept > 0;
    return kept;
  }

  /** The bytes that are here. */
  async *read(size: number): AsyncGenerator<Uint8Array> {
    const handle = await open(this.#file, 'r');
    try {
      for await (const chunk of handle.createReadStream({ end: size - 1, autoClose: false })) yield chunk as Uint8Array;
    } finally {
      await handle.close();
    }
  }

  add(chunk: Uint8Array): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#attempt(() => {
      for (let at = 0; at < chunk.length;) at += writeSync(handle, chunk, at);
      this.#hash.update(chunk);
      this.#size += chunk.length;
      if (this.#size - this.#noted >= noteEach) this.#keep(handle);
    });
  }

  /** The download has ended, here or for now. */
  end(): void {
    const handle = this.#handle;
    if (handle === undefined) return;
    this.#attempt(() => this.#keep(handle));
    this.#handle = undefined;
    closeSync(handle);
  }

  /** What was here was no good. */
  forget(): void {
    if (this.#handle !== undefined) closeSync(this.#handle);
    this.#handle = undefined;
    this.#hash = createHash('sha256');
    rmSync(this.#note, { force: true });
    rmSync(this.#file, { force: true });
  }

  #keep(handle: number): void {
    if (!this.#version) return;
    fsyncSync(handle);
    const note: Note = { ...this.#version, size: this.#size, sha256: this.#hash.copy().digest('hex') };
    writeDurably(this.#note, JSON.stringify(note));
    this.#noted = this.#size;
  }

  async #kept({ etag, length }: Version): Promise<number> {
    const note = parseNote(JSON.parse(readFileSync(this.#note, 'utf8')));
    if (note.etag !== etag || note.length !== length || note.size === 0 || note.size > length) return 0;
    const hash = createHash('sha256');
    for await (const chunk of this.read(note.size)) hash.update(chunk);
    if (hash.copy().digest('hex') !== note.sha256) {
      this.#log.warn('download cache is damaged: not used', { file: this.#file });
      return 0;
    }
    truncateSync(this.#file, note.size); // what a power cut has left behind it was never noted
    this.#hash = hash;
    return note.size;
  }

  #attempt(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#log.warn('download cache not usable, going on without', { file: this.#file, error: messageOf(error) });
      try {
        this.forget();
      } catch {
        // A folder that cannot be written has nothing of ours in it.
      }
    }
  }
}
