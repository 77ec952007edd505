import { readFileSync, renameSync } from 'node:fs';
import { codeOf, messageOf } from '#base/errors';
import type { Log } from '#base/log';

/** What is in the file; undefined: there is none, or it could not be read and is put aside. */
export function readOrPutAside(file: string, log: Log): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') putAside(file, error, log);
    return undefined;
  }
}

/** Somebody may want to look at it; nothing is to fall over it again. */
export function putAside(file: string, why: unknown, log: Log): void {
  log.error('file cannot be used, it is put aside', { file, as: `${file}.broken`, error: messageOf(why) });
  try {
    renameSync(file, `${file}.broken`);
  } catch (error) {
    log.error('file not put aside', { file, error: messageOf(error) });
  }
}
