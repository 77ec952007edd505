import { closeSync, fdatasyncSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { flushFolder, writeDurably } from '#base/durable';
import { codeOf } from '#base/errors';
import { makeFolderSync } from '#base/folder';

/** Told how the disk does: of each failure, and of each success. */
export interface DiskListener {
  trouble(error: unknown): void;
  well(): void;
}

/** A file of lines, root's alone, that only grows until it is written anew. Made with the first line. */
export class LineFile implements Disposable {
  readonly #folder: string;
  readonly #path: string;
  readonly #disk: DiskListener;
  #fd: number | undefined;
  #end = 0;
  #dirty = false;

  constructor(folder: string, name: string, disk: DiskListener) {
    this.#folder = folder;
    this.#path = join(folder, name);
    this.#disk = disk;
  }

  /** Bytes. */
  get size(): number {
    return this.#end;
  }

  /** Goes on after what was found in it. Throws if it cannot be written. */
  resume(size: number): void {
    this.#fd = this.#open();
    this.#end = size;
  }

  /** Where the line is from now on; undefined: it could not be written, and the file is as it was. */
  append(line: string): number | undefined {
    const bytes = Buffer.from(line);
    const at = this.#end;
    let written = 0;
    try {
      this.#fd ??= this.#open();
      while (written < bytes.length)
        written += writeSync(this.#fd, bytes, written, bytes.length - written, at + written);
      this.#end += bytes.length;
      if (!this.#dirty) setImmediate(() => this.flush());
      this.#dirty = true;
      this.#disk.well();
      return at;
    } catch (error) {
      // Half a line is no line.
      if (this.#fd !== undefined && written > 0) ftruncateSync(this.#fd, at);
      this.#disk.trouble(error);
      return undefined;
    }
  }

  read(at: number, size: number): string {
    const bytes = Buffer.alloc(size);
    if (this.#fd === undefined) throw new Error('its file is not open');
    readSync(this.#fd, bytes, 0, size, at);
    return bytes.toString();
  }

  /** Has it hold this and nothing else, whenever the power fails: the old or the new. Throws what the disk says. */
  rewrite(text: string): void {
    writeDurably(this.#path, text, 0o600, 0o700);
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = openSync(this.#path, 'r+');
    this.#end = Buffer.byteLength(text);
  }

  /** What was appended is on the disk after this. */
  flush(): void {
    if (!this.#dirty || this.#fd === undefined) return;
    this.#dirty = false;
    try {
      fdatasyncSync(this.#fd);
    } catch (error) {
      this.#disk.trouble(error);
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    makeFolderSync(this.#folder, 0o700);
    try {
      return openSync(this.#path, 'r+');
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      const made = openSync(this.#path, 'wx+', 0o600);
      flushFolder(this.#folder);
      return made;
    }
  }
}
