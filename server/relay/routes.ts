import { Type } from 'typebox';
import { deviceconnect } from '#proto/http/devices';
import { SessionChange, SessionInfo, sessionsPath as sessions } from '#proto/http/sessions';
import { notFound } from '../errors.ts';
import { callerId, empty, json, route, scopeOf, type Route } from '../http/route.ts';
import type { Scope } from '../http/rights.ts';
import type { Db } from '../store/store.ts';
import { reaches } from '../users/reach.ts';
import type { Relay } from './relay.ts';
import { deviceSocketPath } from './target.ts';
import type { SessionFacts } from './session-facts.ts';

/** The sockets' paths for those who ask without an upgrade, and ours: who is on which device, and the end of it. */
export function sessionRoutes(relay: Relay, db: Db): Route[] {
  const reachable = (deviceId: string, scope: Scope) => reaches(db, 'device', deviceId, scope);
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
        confined: 'handler',
        summary: 'Sessions that are open',
        query: Type.Object({ device: Type.Optional(Type.String({ maxLength: 128 })) }),
        responses: { 200: { description: 'sessions', body: Type.Array(SessionInfo) } },
      },
      async (context) => {
        const { device } = context.query;
        const scope = scopeOf(context, 'sessions:read');
        const shown = [];
        for (const session of relay.sessions()) {
          if (device !== undefined && session.deviceId !== device) continue;
          if (await reachable(session.deviceId, scope)) shown.push(session);
        }
        return json(200, shown.map(infoOf));
      },
    ),
    route(
      {
        method: 'PATCH',
        path: `${sessions}/{id}`,
        access: 'sessions:terminal',
        // His own terminal: he would not have it without the right.
        confined: 'handler',
        summary: 'Let the others at your terminal type, or only watch',
        body: SessionChange,
        audit: 'session_share',
        responses: { 204: { description: 'changed' } },
      },
      (context) => {
        const id = context.params['id'] ?? '';
        context.note({ object: { type: 'session', id }, details: { typing: context.body.typing } });
        if (!relay.share(id, callerId(context), context.body.typing)) throw notFound('you have no such terminal');
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${sessions}/{id}`,
        access: 'devices:manage',
        confined: 'handler',
        summary: 'End a session',
        audit: 'session_end',
        responses: { 204: { description: 'ended' } },
      },
      async (context) => {
        const id = context.params['id'] ?? '';
        context.note({ object: { type: 'session', id } });
        const session = relay.sessions().find(({ sid }) => sid === id);
        if (session && !(await reachable(session.deviceId, scopeOf(context, 'devices:manage'))))
          throw notFound('session not found');
        if (!relay.endSession(id, 'ended by an administrator')) throw notFound('session not found');
        return empty();
      },
    ),
  ];
}

function infoOf(session: SessionFacts): SessionInfo {
  return {
    id: session.sid,
    device_id: session.deviceId,
    user_id: session.userId,
    user_name: session.userName,
    kind: session.kind ?? null,
    opened_ts: session.openedAt.toISOString(),
    active_ts: session.activeAt.toISOString(),
    idle_seconds: Math.max(0, Math.round((Date.now() - session.activeAt.getTime()) / 1000)),
    bytes_from_device: session.bytesFromDevice,
    bytes_to_device: session.bytesToDevice,
    waits_for: session.waitsFor ?? null,
    resumes: session.resumes,
    recorded: session.recorded,
    guests: [...session.guests],
    shared: session.shared,
  };
}
