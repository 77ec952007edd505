import type { IncomingMessage } from 'node:http';
import { ProtoType } from '#proto';
import { holds, type Permission } from '#proto/http/users';
import { HttpError, notFound, unauthorized } from '../errors.ts';
import { bearerOf, type TokenVerifier } from '../http/guard.ts';
import type { Db } from '../store/store.ts';
import type { Person } from './relay.ts';

/** With one of these, or a right that an add-on brought, a person may open sessions at all. */
const opens = (permission: Permission): boolean =>
  (permission.startsWith('sessions:') && permission !== 'sessions:read') || permission.startsWith('addon:');

/** Who opens a device's socket. 401 without a good token, 400 for one that is not a device's (`connect-protocol.md` §1.1). */
export async function deviceOf(req: IncomingMessage, verify: TokenVerifier): Promise<{ deviceId: string }> {
  const bearer = bearerOf(req);
  if (!bearer) throw unauthorized('Authorization not present in header');
  const device = await verify.device(bearer.token);
  if (device) return { deviceId: device.id };
  if (await verify.user(bearer.token)) throw wrongKind('device');
  throw unauthorized('unauthorized');
}

/** Who asks for a session with a device, and which protocols he may use. 403 if none; 404 for an unknown device. */
export async function personOf(
  req: IncomingMessage,
  deviceId: string,
  verify: TokenVerifier,
  db: Db,
  needs: (proto: number) => Permission,
): Promise<Person> {
  const bearer = bearerOf(req);
  if (!bearer) throw unauthorized('Authorization not present in header');
  const user = await verify.user(bearer.token);
  if (!user) {
    if (await verify.device(bearer.token)) throw wrongKind('user');
    throw unauthorized('unauthorized');
  }
  if (![...user.permissions].some(opens))
    throw new HttpError(
      'forbidden',
      'your roles do not include sessions with devices: ask an administrator for the role support',
    );
  const known = await db.selectFrom('devices').select('id').where('id', '=', deviceId).executeTakeFirst();
  if (!known) throw notFound('device not found');
  return {
    userId: user.id,
    name: user.email,
    tokenId: user.tokenId,
    refuses(proto) {
      if (proto === ProtoType.Control) return undefined;
      const permission = needs(proto);
      return holds(user.permissions, permission) ? undefined : `your roles do not include the permission ${permission}`;
    },
  };
}

const wrongKind = (kind: string): HttpError =>
  new HttpError('bad_request', `missing or non-${kind} identity in the authorization headers`);
