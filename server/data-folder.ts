import { join } from 'node:path';
import { CodedError, codeOf, messageOf } from '#base/errors';
import { makeFolder } from '#base/folder';

const unwritable = new Set(['EACCES', 'EROFS', 'ENOENT', 'SQLITE_CANTOPEN', 'SQLITE_READONLY']);

/** The SQLite database of a data folder. */
export const sqliteFile = (data: string): string => join(data, 'patchbay.db');

/** Makes the data folder, for this user only. Throws `data_unusable`. */
export async function makeDataFolder(data: string): Promise<void> {
  try {
    await makeFolder(data, 0o700);
  } catch (error) {
    throw unusable(data, error);
  }
}

/** What is wrong with a data folder, in words for a person. */
export function unusable(data: string, error: unknown): CodedError {
  const why = unwritable.has(codeOf(error) ?? '')
    ? `cannot write the data folder ${data}: ${messageOf(error)}. Give a folder that this user owns with --data`
    : `cannot use the data folder ${data}: ${messageOf(error)}`;
  return new CodedError('data_unusable', why, { cause: error });
}
