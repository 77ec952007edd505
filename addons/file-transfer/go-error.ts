import { getSystemErrorMessage } from 'node:util';
import { codeOf, messageOf } from '#base/errors';

/** Where the words of Node's library differ from the system's. */
const words: Readonly<Record<string, string>> = {
  EISDIR: 'is a directory',
  ETXTBSY: 'text file busy',
  ELOOP: 'too many levels of symbolic links',
  EIO: 'input/output error',
};

/** A failed system call in Go's words, `open /x: no such file or directory`: clients and scripts look for them. */
export function goError(call: string, path: string, error: unknown): string {
  const { errno } = error as { errno?: unknown };
  const said = typeof errno === 'number' ? getSystemErrorMessage(errno) : undefined;
  return `${call} ${path}: ${words[codeOf(error) ?? ''] ?? said ?? messageOf(error)}`;
}
