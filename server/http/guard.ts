import type { IncomingMessage } from 'node:http';
import { scopeKindOf, tokenCookie, type Permission } from '#proto/http/users';
import { forbidden, HttpError, notFound, unauthorized } from '../errors.ts';
import type { Caller, Confined, RouteSpec } from './route.ts';

/** What the guard needs to know of tokens: each returns the caller, or undefined for a token that is not good. */
export interface TokenVerifier {
  /** A device whose token was verified lately: what `device` would say, at once. */
  knownDevice?(token: string): Extract<Caller, { kind: 'device' }> | undefined;
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

/** Services that tell the wrong kind of caller so (`server-api.md` §0.2); to the others his token is just no good. */
const tellsKinds = /^\/api\/(devices|management)\/v\d+\/(deviceconfig|iot-manager)\//;

/** Who calls, for a route that asks for this; else 401, or 403 for the wrong kind of caller where that is told. */
export async function identify(
  { access, path }: Pick<RouteSpec, 'access' | 'path'>,
  req: IncomingMessage,
  verify: TokenVerifier,
): Promise<Caller> {
  if (access === 'public') return { kind: 'anyone' };
  const bearer = bearerOf(req);
  if (!bearer) throw unauthorized('Authorization not present in header');
  // A browser sends its cookie along with whatever page asks: only reading is allowed by cookie alone (CSRF).
  if (bearer.cookie && req.method !== 'GET' && req.method !== 'HEAD')
    throw unauthorized('Authorization not present in header');
  const caller = access === 'device' ? await verify.device(bearer.token) : await verify.user(bearer.token);
  if (caller) return caller;
  const other = access === 'device' ? 'user' : 'device';
  if (tellsKinds.test(path) && (await verify[other](bearer.token)))
    throw forbidden(`this is for a ${access === 'device' ? 'device' : 'user'}'s token, and yours is a ${other}'s`);
  throw unauthorized('unauthorized');
}

/** 403 unless the caller has what the route asks for; confined to some groups he passes only where the route says how. */
export function permit({ access, confined }: Pick<RouteSpec, 'access' | 'confined'>, caller: Caller): void {
  if (caller.kind !== 'user' || access === 'public' || access === 'device' || access === 'user') return;
  if (caller.mustEnrol) throw enrolFirst();
  if (!caller.permissions.has(access)) throw forbidden(`your roles do not include the permission ${access}`);
  if (confined === undefined && caller.permissions.scope(access) !== 'all')
    throw forbidden(
      `your roles include the permission ${access} for some ${scopeWord(access)} only: this needs it for all`,
    );
}

/** The confined object that a path names, and where the caller must be able to reach it; undefined: no question. */
export function targetOf(
  { access, confined }: Pick<RouteSpec, 'access' | 'confined'>,
  caller: Caller,
  params: Readonly<Record<string, string>>,
): { kind: Confined; id: string; scope: readonly string[] } | undefined {
  if (caller.kind !== 'user' || confined === undefined || confined === 'handler') return undefined;
  const scope = caller.permissions.scope(access as Permission);
  if (scope === 'all') return undefined;
  const named = confined === 'device' ? (params['device'] ?? params['id']) : params['id'];
  return { kind: confined, id: (confined === 'release' || confined === 'group' ? params['name'] : named) ?? '', scope };
}

/** 404 for what the caller may not even see; 403, with the reason, for a device that he sees and may not do this to. */
export async function outOfReach(
  { access }: Pick<RouteSpec, 'access'>,
  caller: Caller,
  { kind, id }: { readonly kind: Confined; readonly id: string },
  rights: { reaches(kind: Confined, id: string, scope: readonly string[]): Promise<boolean> },
): Promise<HttpError> {
  const seen = kind === 'device' && caller.kind === 'user' ? caller.permissions.scope('devices:read') : [];
  if (seen === 'all' || (seen.length > 0 && (await rights.reaches(kind, id, seen))))
    return forbidden(
      `your roles include the permission ${access} for some groups of devices only, and this device is in none of them`,
    );
  return notFound(`${kind} not found`);
}

const scopeWord = (access: Permission): string =>
  scopeKindOf(access) === 'tags' ? 'tags of releases' : 'groups of devices';

export const enrolFirst = (): HttpError =>
  new HttpError(
    'forbidden',
    'this server wants a second factor of everybody: set yours up first, on the page Security or by "patchbay users 2fa on"',
    {
      extra: { second_factor: 'enrol' },
    },
  );

/** Lets a request pass that has what its route asks for; else 401 (no or wrong token) or 403 (not his to do). */
export async function authorize(
  spec: Pick<RouteSpec, 'access' | 'confined' | 'path'>,
  req: IncomingMessage,
  verify: TokenVerifier,
): Promise<Caller> {
  const caller = await identify(spec, req, verify);
  permit(spec, caller);
  return caller;
}
