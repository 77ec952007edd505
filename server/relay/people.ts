import type { IncomingMessage } from 'node:http';
import { ProtoType } from '#proto';
import type { Permission } from '#proto/http/users';
import { HttpError, notFound, unauthorized } from '../errors.ts';
import { bearerOf, enrolFirst, type TokenVerifier } from '../http/guard.ts';
import type { Db } from '../store/store.ts';
import { reaches } from '../users/reach.ts';
import type { Person } from './relay.ts';

const needs = new Map<number, Permission>([
  [ProtoType.Shell, 'sessions:terminal'],
  [ProtoType.FileTransfer, 'sessions:transfer'],
  [ProtoType.PortForward, 'sessions:forward'],
  [ProtoType.MenderClient, 'devices:manage'],
]);
const session: readonly Permission[] = ['sessions:terminal', 'sessions:transfer', 'sessions:forward'];

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
 * Who asks for a session with a device, and which protocols he may use with this one. 403 if none at all; 404 for an
 * unknown device, and for one outside of his groups.
 */
export async function personOf(req: IncomingMessage, deviceId: string, verify: TokenVerifier, db: Db): Promise<Person> {
  const bearer = bearerOf(req);
  if (!bearer) throw unauthorized('Authorization not present in header');
  const user = await verify.user(bearer.token);
  if (!user) {
    if (await verify.device(bearer.token)) throw wrongKind('user');
    throw unauthorized('unauthorized');
  }
  if (user.mustEnrol) throw enrolFirst();
  if (!session.some((permission) => user.permissions.has(permission)))
    throw new HttpError(
      'forbidden',
      'your roles do not include sessions with devices: ask an administrator for the role support',
    );
  const known = await db.selectFrom('devices').select('id').where('id', '=', deviceId).executeTakeFirst();
  const rights = new Set<Permission>();
  if (known)
    for (const permission of needs.values())
      if (await reaches(db, 'device', deviceId, user.permissions.scope(permission))) rights.add(permission);
  if (!known || !session.some((permission) => rights.has(permission))) throw notFound('device not found');
  return {
    userId: user.id,
    tokenId: user.tokenId,
    rights: [...rights],
    refuses(proto) {
      if (proto === ProtoType.Control) return undefined;
      const permission = needs.get(proto) ?? 'sessions:terminal';
      if (rights.has(permission)) return undefined;
      const where = user.permissions.has(permission) ? ' for this device' : '';
      return `your roles do not include the permission ${permission}${where}`;
    },
  };
}

const wrongKind = (kind: string): HttpError =>
  new HttpError('bad_request', `missing or non-${kind} identity in the authorization headers`);
