import { Type } from 'typebox';
import { Id } from '#proto/http/conventions';
import { ConnectState, deviceconnect } from '#proto/http/devices';
import { presencePath } from '#proto/http/paths';
import { ProtoType, type ProtoMsg } from '#proto';
import { notFound } from '../errors.ts';
import { callerId, json, route, scopeOf, type Route } from '../http/route.ts';
import type { Presence } from './presence.ts';

/** What the routes need of the relay. */
export interface DeviceLink {
  /** False: the device is not connected. */
  sendToDevice(deviceId: string, frame: ProtoMsg): boolean;
}

/** `server-api.md` §2.6, all but the sockets. */
export function presenceRoutes(presence: Presence, link: DeviceLink): Route[] {
  const now = (typ: 'check-update' | 'send-inventory', summary: string): Route =>
    route(
      {
        method: 'POST',
        path: `${deviceconnect}/devices/{id}/${typ}`,
        access: 'devices:manage',
        confined: 'device',
        summary,
        audit: `device_${typ.replace('-', '_')}`,
        responses: { 202: { description: 'told; body null' } },
      },
      async (context) => {
        const id = context.params['id'] ?? '';
        context.note({ object: { type: 'device', id } });
        // Fire and forget, with an empty session id, as the reference does (`connect-protocol.md` §3.6).
        const sent = link.sendToDevice(id, {
          hdr: { proto: ProtoType.MenderClient, typ, props: { user_id: callerId(context) } },
        });
        if (!sent) throw notFound('device not connected');
        return json(202, null);
      },
    );
  return [
    route(
      {
        method: 'GET',
        path: `${deviceconnect}/devices/{id}`,
        access: 'devices:read',
        confined: 'device',
        summary: 'Whether a device is connected',
        responses: { 200: { description: 'state', body: ConnectState } },
      },
      async ({ params }) => json(200, await presence.get(params['id'] ?? '')),
    ),
    route(
      {
        method: 'POST',
        path: `${presencePath}/search`,
        access: 'devices:read',
        confined: 'handler',
        summary: 'Which of some devices are connected: one question for a whole list',
        body: Type.Object({ device_ids: Type.Array(Id, { minItems: 1, maxItems: 500 }) }),
        responses: {
          200: { description: 'those that were ever connected, by id', body: Type.Array(ConnectState) },
        },
      },
      async (context) => json(200, await presence.of(context.body.device_ids, scopeOf(context, 'devices:read'))),
    ),
    now('check-update', 'Have a device look for an update now'),
    now('send-inventory', 'Have a device send its inventory now'),
  ];
}
