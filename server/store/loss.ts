import { codeOf, messageOf } from '#base/errors';
import { HttpError } from '../errors.ts';

/** 503: the database cannot be asked just now, or is too busy. Nothing was changed; the same request may be made again. */
export const unavailable = (why: string, cause: unknown): HttpError =>
  new HttpError('unavailable', `service unavailable: ${why}, try again`, { headers: { 'Retry-After': '2' }, cause });

/** Of Node, for a server that cannot be reached or has gone. */
const unreachable = new Set([
  'EACCES',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOENT',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);
/** Of PostgreSQL: it stops, starts, or has too many clients; class 08 is the connection; 25006 has become a replica. */
const away = /^(08...|57P0[1-5]|53300|25006)$/;
/** What pg says in words only. */
const words = /^(Connection terminated|timeout exceeded when trying to connect|Client (was closed|has encountered))/;
const tooLong = '57014';

/** The error of a database that is away or too slow, as clients are told; undefined for any other. */
export function lossOf(error: unknown): HttpError | undefined {
  const code = codeOf(error) ?? '';
  if (code === tooLong) return unavailable('the database took too long', error);
  if (code === 'SQLITE_BUSY') return unavailable('the database is in use by another program', error);
  const isAway = unreachable.has(code) || away.test(code) || words.test(messageOf(error));
  return isAway ? unavailable('the database does not answer', error) : undefined;
}
