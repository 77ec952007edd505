import { badRequest } from '../errors.ts';

/**
 * Refuses the character NUL in what goes into a statement, on either database: PostgreSQL's text cannot hold it. It comes
 * from outside only, so it is the caller's fault.
 */
export function refuseNul(parameters: readonly unknown[]): void {
  for (const value of parameters)
    if (typeof value === 'string' && value.includes('\0'))
      throw badRequest('a text must not contain the character NUL (U+0000)');
}
