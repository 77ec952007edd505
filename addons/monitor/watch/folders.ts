import { existsSync, watch, type FSWatcher } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';

/**
 * Tells when something changes in a folder, which need not be there yet: until then what is there of the way to it is
 * watched. Nothing is made for that: a device that has no checks keeps no folders for them.
 */
export class FolderWatch implements Disposable {
  readonly #folder: string;
  readonly #log: Log;
  readonly #changed: (name: string | null) => void;
  #watcher: FSWatcher | undefined;
  #closed = false;

  constructor(folder: string, log: Log, changed: (name: string | null) => void) {
    this.#folder = folder;
    this.#log = log;
    this.#changed = changed;
    this.#begin();
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#watcher?.close();
  }

  #begin(): void {
    if (this.#closed) return;
    this.#watcher?.close();
    this.#watcher = undefined;
    let there = this.#folder;
    while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
    try {
      this.#watcher = watch(there, (event, name) => {
        // It came, or it went; or more of the way to it is there now.
        const whole = there === this.#folder;
        if (whole && existsSync(there)) this.#changed(name);
        else if (whole || event === 'rename') this.#again(there);
      });
      this.#watcher.on('error', (error) => {
        this.#log.warn('folder not watched any more', { folder: there, error: messageOf(error) });
        this.#watcher?.close();
      });
    } catch (error) {
      this.#log.warn('folder not watched', { folder: there, error: messageOf(error) });
      return;
    }
    // It may have come between the look and the watch.
    if (there !== this.#folder && existsSync(this.#folder)) this.#again(there);
  }

  #again(before: string): void {
    let there = this.#folder;
    while (!existsSync(there) && dirname(there) !== there) there = dirname(there);
    if (there === before) return;
    this.#begin();
    if (there === this.#folder || before === this.#folder) this.#changed(null);
  }
}
