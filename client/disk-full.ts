import { codeOf, messageOf } from '#base/errors';

/** What went wrong, in words; of a full disk the kernel does not say which, but all that we write lies in the store. */
export const reasonOf = (error: unknown, store: string): string =>
  codeOf(error) === 'ENOSPC' ? `the disk that holds ${store} is full (${messageOf(error)})` : messageOf(error);
