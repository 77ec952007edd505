import type { IncomingMessage } from 'node:http';
import { HttpError } from '../errors.ts';

/**
 * A page of another origin must not open a socket with the cookie that the browser adds by itself (CVE-2022-29555).
 * Whoever sends the token in a header has it from us, and no browser sends one so.
 */
export function checkOrigin(req: IncomingMessage, host: string | undefined, allowed: readonly string[]): void {
  const { origin, authorization } = req.headers;
  if (origin === undefined || authorization !== undefined || allowed.includes(origin)) return;
  const own = URL.canParse(origin) ? new URL(origin).host : undefined;
  if (own === undefined || own !== host) throw new HttpError('forbidden', `origin ${origin} may not open this socket`);
}
