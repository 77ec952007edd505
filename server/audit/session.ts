import type { AuditEntry } from '#proto/http/users';
import type { SessionEvent } from '../relay/relay.ts';

/** A session's beginning or end as an entry: who, which device, how long, how many bytes each way. */
export function sessionEntry({ type, session, request }: SessionEvent): Omit<AuditEntry, 'id' | 'time'> {
  const { sid, kind, deviceId, userId, openedAt, bytesFromDevice, bytesToDevice } = session;
  return {
    actor: { type: 'user', id: userId },
    action: type === 'opened' ? 'session_open' : 'session_close',
    object: { type: 'device', id: deviceId },
    result: 'ok',
    request_id: request.id,
    address: request.address,
    details: {
      session_id: sid,
      kind,
      ...(type === 'closed'
        ? {
            seconds: Math.round((Date.now() - openedAt.getTime()) / 1000),
            bytes_from_device: bytesFromDevice,
            bytes_to_device: bytesToDevice,
          }
        : {}),
    },
  };
}
