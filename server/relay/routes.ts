import { Type } from 'typebox';
import { deviceconnect } from '#proto/http/devices';
import { notFound } from '../errors.ts';
import { empty, json, route, type Route } from '../http/route.ts';
import { deviceSocketPath, type Relay } from './relay.ts';

const sessions = '/api/management/v1/patchbay/sessions';

/** The sockets' paths for those who ask without an upgrade, and ours: who is on which device, and the end of it. */
export function sessionRoutes(relay: Relay): Route[] {
  const socket = (path: string, summary: string): Route =>
    route(
      { method: 'GET', path, access: 'public', summary, responses: { 101: { description: 'the socket' } } },
      async ({ req }) => {
        throw await relay.refusePlain(req);
      },
    );
  return [
    socket(deviceSocketPath, "A device's WebSocket"),
    socket(`${deviceconnect}/devices/{id}/connect`, 'WebSocket of a session with a device'),
    route(
      {
        method: 'GET',
        path: sessions,
        access: 'sessions:read',
        summary: 'Sessions that are open',
        query: Type.Object({ device: Type.Optional(Type.String({ maxLength: 128 })) }),
        responses: { 200: { description: 'sessions' } },
      },
      ({ query }) =>
        json(
          200,
          relay
            .sessions()
            .filter((session) => query.device === undefined || session.deviceId === query.device)
            .map((session) => ({
              id: session.sid,
              device_id: session.deviceId,
              user_id: session.userId,
              kind: session.kind ?? null,
              opened_ts: session.openedAt.toISOString(),
              active_ts: session.activeAt.toISOString(),
              bytes_from_device: session.bytesFromDevice,
              bytes_to_device: session.bytesToDevice,
            })),
        ),
    ),
    route(
      {
        method: 'DELETE',
        path: `${sessions}/{id}`,
        access: 'devices:manage',
        summary: 'End a session',
        audit: 'session_end',
        responses: { 204: { description: 'ended' } },
      },
      (context) => {
        const id = context.params['id'] ?? '';
        context.note({ object: { type: 'session', id } });
        if (!relay.endSession(id, 'ended by an administrator')) throw notFound('session not found');
        return empty();
      },
    ),
  ];
}
