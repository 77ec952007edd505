import type { IncomingMessage } from 'node:http';
import { ProtoType } from '#proto';
import type { Permission } from '#proto/http/users';
import { HttpError, notFound, unauthorized } from '../errors.ts';
import { bearerOf, enrolFirst, type TokenVerifier } from '../http/guard.ts';
import type { Db } from '../store/store.ts';
import { groupsOf } from '../inventory/membership.ts';
import type { Person } from './events.ts';

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

/**
 * Who asks for a session with a device, and which protocols he may use with this one. 403 if none, at all or with a
 * device that he may see (TERM-21); 404 for an unknown device, and for one outside of his groups.
 */
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
  if (user.mustEnrol) throw enrolFirst();
  if (![...user.permissions].some(opens))
    throw new HttpError(
      'forbidden',
      'your roles do not include sessions with devices: ask an administrator for the role support',
    );
  const known = await db.selectFrom('devices').select('id').where('id', '=', deviceId).executeTakeFirst();
  const mine = known ? await groupsOf(db, deviceId) : [];
  const may = (permission: Permission): boolean => {
    const scope = user.permissions.scope(permission);
    return scope === 'all' || scope.some((group) => mine.includes(group));
  };
  const rights = [...user.permissions].filter((permission) => opens(permission) && may(permission));
  if (known && rights.length === 0 && may('devices:read'))
    throw new HttpError('forbidden', 'your roles do not include sessions with this device: you may only look at it');
  if (!known || rights.length === 0) throw notFound('device not found');
  return {
    userId: user.id,
    name: user.email,
    tokenId: user.tokenId,
    rights,
    refuses(proto) {
      if (proto === ProtoType.Control) return undefined;
      const permission = needs(proto);
      if (may(permission)) return undefined;
      const where = user.permissions.has(permission) ? ' for this device' : '';
      return `your roles do not include the permission ${permission}${where}`;
    },
  };
}

const wrongKind = (kind: string): HttpError =>
  new HttpError('bad_request', `missing or non-${kind} identity in the authorization headers`);
