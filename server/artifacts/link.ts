import { createHmac, timingSafeEqual } from 'node:crypto';
import { badRequest, forbidden } from '../errors.ts';

/** Where artifacts are downloaded; the rest of a link proves that we gave it out (`server-api.md` §1.5). */
export const artifactDownloadPath = '/api/devices/v1/deployments/download/artifact';

/** Lifetimes of links, ms. */
export const linkLife = { device: 24 * 3_600_000, user: 15 * 60_000, upload: 3_600_000 } as const;

type LinkMethod = 'GET' | 'PUT';

export interface SignedLink<M extends LinkMethod = 'GET'> {
  readonly uri: string;
  readonly expire: string;
  readonly method: M;
}

/**
 * A link to a path of ours that needs no token until it expires. `origin`: as the caller reaches us; `prefix` goes before
 * the names of the parameters.
 */
export function signLink(
  secret: Buffer,
  origin: string,
  path: string,
  life: number,
  { now = Date.now(), prefix = '' }: { now?: number; prefix?: string } = {},
): SignedLink {
  return signed(secret, origin, path, new Date(now + life).toISOString(), 'GET', prefix);
}

/** A link to which a file may be put (`server-api.md` §2.2, direct upload). */
export const signUpload = (secret: Buffer, origin: string, path: string, expire: string): SignedLink<'PUT'> =>
  signed(secret, origin, path, expire, 'PUT');

function signed<M extends LinkMethod>(
  secret: Buffer,
  origin: string,
  path: string,
  expire: string,
  method: M,
  prefix = '',
): SignedLink<M> {
  const signature = signatureOf(secret, path, expire, method).toString('base64url');
  const query = new URLSearchParams({ [`${prefix}expire`]: expire, [`${prefix}signature`]: signature });
  return { uri: `${origin}${path}?${query.toString()}`, expire, method };
}

/**
 * Refuses a link that we did not give out, or too long ago. `path` is spelt by the route, not taken from the request: a
 * proxy may have put the server under a prefix.
 */
export function checkLink(
  secret: Buffer,
  path: string,
  link: { readonly expire?: string | undefined; readonly signature?: string | undefined },
  { now = Date.now(), method = 'GET' }: { now?: number; method?: LinkMethod } = {},
): void {
  if (!link.expire || !link.signature)
    throw badRequest(`the link lacks its parameter "${link.expire ? 'signature' : 'expire'}"`);
  const given = Buffer.from(link.signature, 'base64url');
  const right = signatureOf(secret, path, link.expire, method);
  if (given.length !== right.length || !timingSafeEqual(given, right)) throw forbidden('signature invalid');
  // Not a date: never signed by us, so this is only reached with one.
  if (!(Date.parse(link.expire) > now)) throw forbidden('URL expired');
}

// HEAD is allowed with a link that was signed for GET: it tells less.
const signatureOf = (secret: Buffer, path: string, expire: string, method: LinkMethod): Buffer =>
  createHmac('sha256', secret).update(`${method}\n${path}\nexpire=${expire}\n`).digest();
