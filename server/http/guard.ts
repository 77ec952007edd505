import type { IncomingMessage } from 'node:http';
import { holds, tokenCookie } from '#proto/http/users';
import { HttpError, unauthorized } from '../errors.ts';
import type { Access, Caller } from './route.ts';

/** What the guard needs to know of tokens: each returns the caller, or undefined for a token that is not good. */
export interface TokenVerifier {
  user(token: string): Promise<Extract<Caller, { kind: 'user' }> | undefined>;
  device(token: string): Promise<Extract<Caller, { kind: 'device' }> | undefined>;
}

/**
 * The bearer token of a request: `Authorization` wins, the cookie is looked at only where that header is absent
 * (`connect-protocol.md` §1.1). Undefined: none there. Throws 401 for a malformed header.
 */
export function bearerOf(req: IncomingMessage): { token: string; cookie: boolean } | undefined {
  const header = req.headers.authorization;
  if (header !== undefined) {
    const [scheme, token, ...rest] = header.split(' ');
    if (scheme?.toLowerCase() !== 'bearer' || !token || rest.length > 0)
      throw unauthorized('malformed Authorization header');
    return { token, cookie: false };
  }
  for (const pair of (req.headers.cookie ?? '').split(';')) {
    const at = pair.indexOf('=');
    if (at > 0 && pair.slice(0, at).trim() === tokenCookie) return { token: pair.slice(at + 1).trim(), cookie: true };
  }
  return undefined;
}

/** Lets a request pass that has what its route asks for; else 401 (no or wrong token) or 403 (not his to do). */
export async function authorize(access: Access, req: IncomingMessage, verify: TokenVerifier): Promise<Caller> {
  if (access === 'public') return { kind: 'anyone' };
  const bearer = bearerOf(req);
  if (!bearer) throw unauthorized('Authorization not present in header');
  // A browser sends its cookie along with whatever page asks: only reading is allowed by cookie alone (CSRF).
  if (bearer.cookie && req.method !== 'GET' && req.method !== 'HEAD')
    throw unauthorized('Authorization not present in header');
  if (access === 'device') {
    const device = await verify.device(bearer.token);
    if (!device) throw unauthorized('unauthorized');
    return device;
  }
  const user = await verify.user(bearer.token);
  if (!user) throw unauthorized('unauthorized');
  if (access !== 'user' && !holds(user.permissions, access))
    throw new HttpError('forbidden', `your roles do not include the permission ${access}`);
  return user;
}
