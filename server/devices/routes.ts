import { Type } from 'typebox';
import { Repeated, Text } from '#proto/http/conventions';
import { AuthSetStatus, devauth, Device, DeviceCount, deviceStatuses } from '#proto/http/devices';
import { badRequest } from '../errors.ts';
import { rawBody } from '../http/mount.ts';
import { listOf, pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import { empty, json, route, scopeOf, type Context, type Reply, type Route } from '../http/route.ts';
import type { Devices } from './devices.ts';
import type { Register } from './register.ts';
import type { DeviceTokens } from './tokens.ts';

const AuthRequest = Type.Object({
  id_data: Text(65_536),
  pubkey: Text(65_536),
  tenant_token: Type.Optional(Text(65_536)),
  tier: Type.Optional(Text(64)),
});
const Statuses = Type.Union([Text(32), Type.Array(Text(32), { maxItems: 16 })]);
const Ids = Type.Union([Text(128), Type.Array(Text(128), { maxItems: 1000 })]);
const Preauthorize = Type.Object({
  identity_data: Type.Record(Type.String(), Type.Unknown()),
  pubkey: Text(65_536),
  force: Type.Optional(Type.Boolean()),
});
const list = { 200: { description: 'devices', body: Type.Array(Device) } };

/** `server-api.md` §1.1 and §2.1. */
export function deviceRoutes(devices: Devices, register: Register, tokens: DeviceTokens): Route[] {
  const page = async (
    context: Pick<Context, 'req' | 'caller'>,
    paging: { page?: string; per_page?: string },
    statuses: readonly string[],
    ids: readonly string[],
  ): Promise<Reply> => {
    const wrong = statuses.find((status) => !(deviceStatuses as readonly string[]).includes(status));
    if (wrong !== undefined) throw badRequest(`incorrect device status "${wrong.slice(0, 32)}"`);
    const wanted = pageOf(paging);
    const { devices: found, more } = await register.list(
      { statuses, ids, scope: scopeOf(context, 'devices:read') },
      wanted.perPage,
      wanted.offset,
    );
    return json(200, found, pageHeaders(context.req.originalUrl, wanted, { more }));
  };
  const named = (context: Context): { id: string; aid: string } => ({
    id: context.params['id'] ?? '',
    aid: context.params['aid'] ?? '',
  });
  return [
    route(
      {
        method: 'POST',
        path: '/api/devices/v1/authentication/auth_requests',
        access: 'public',
        ratedByAddress: true,
        summary: 'A device asks to come in',
        body: AuthRequest,
        responses: {
          200: { description: 'the bare token', body: Type.String(), type: 'application/jwt' },
          429: { description: 'too many from this address; Retry-After says when' },
        },
      },
      async ({ req, body }) => {
        const { deviceId, authSetId } = await devices.authenticate(body, rawBody(req), req.get('x-men-signature'));
        return { status: 200, body: await tokens.issue(deviceId, authSetId), type: 'application/jwt' };
      },
    ),
    route(
      {
        method: 'GET',
        path: `${devauth}/devices`,
        access: 'devices:read',
        confined: 'handler',
        summary: 'Devices by status',
        query: Type.Object({ ...PageQuery, status: Type.Optional(Repeated()), id: Type.Optional(Repeated(500)) }),
        responses: list,
      },
      (context) => page(context, context.query, listOf(context.query.status), listOf(context.query.id)),
    ),
    route(
      {
        method: 'POST',
        path: `${devauth}/devices/search`,
        access: 'devices:read',
        confined: 'handler',
        summary: 'Devices by status and id, with long lists',
        query: Type.Object(PageQuery),
        body: Type.Object({ status: Type.Optional(Statuses), id: Type.Optional(Ids) }),
        form: true,
        responses: list,
      },
      (context) => page(context, context.query, listOf(context.body.status), listOf(context.body.id)),
    ),
    route(
      {
        method: 'POST',
        path: `${devauth}/devices`,
        access: 'devices:manage',
        summary: 'Preauthorise a device',
        body: Preauthorize,
        audit: 'device_preauthorize',
        responses: { 201: { description: 'made; Location names it' } },
      },
      async (context) => {
        const { identity_data, pubkey, force } = context.body;
        context.note({ object: { type: 'device', id: '' }, details: { identity: identity_data } });
        const id = await devices.preauthorize(identity_data, pubkey, force === true);
        context.note({ object: { type: 'device', id }, details: { identity: identity_data } });
        return empty(201, { Location: `devices/${id}` });
      },
    ),
    route(
      {
        method: 'GET',
        path: `${devauth}/devices/count`,
        access: 'devices:read',
        confined: 'handler',
        summary: 'How many devices',
        query: Type.Object({ status: Type.Optional(Text(32)) }),
        responses: { 200: { description: 'count', body: DeviceCount } },
      },
      async (context) => {
        const { query } = context;
        if (query.status !== undefined && !(deviceStatuses as readonly string[]).includes(query.status))
          throw badRequest('incorrect device status');
        return json(200, { count: await register.count(query.status, scopeOf(context, 'devices:read')) });
      },
    ),
    route(
      {
        method: 'GET',
        path: `${devauth}/devices/{id}`,
        access: 'devices:read',
        confined: 'device',
        summary: 'One device',
        responses: { 200: { description: 'the device', body: Device } },
      },
      async (context) => json(200, await register.get(named(context).id)),
    ),
    route(
      {
        method: 'DELETE',
        path: `${devauth}/devices/{id}`,
        access: 'devices:manage',
        confined: 'device',
        summary: 'Decommission a device',
        audit: 'device_decommission',
        responses: { 204: { description: 'gone' } },
      },
      async (context) => {
        const { id } = named(context);
        context.note({ object: { type: 'device', id } });
        await devices.decommission(id);
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${devauth}/devices/{id}/auth/{aid}/status`,
        access: 'devices:read',
        confined: 'device',
        summary: 'Status of an authentication set',
        responses: { 200: { description: 'status' } },
      },
      async (context) => {
        const { id, aid } = named(context);
        return json(200, { status: await register.authSetStatus(id, aid) });
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${devauth}/devices/{id}/auth/{aid}/status`,
        access: 'devices:manage',
        confined: 'device',
        summary: 'Accept, reject or hold a device',
        body: AuthSetStatus,
        audit: 'device_status',
        responses: { 204: { description: 'done' } },
      },
      async (context) => {
        const { id, aid } = named(context);
        const { status } = context.body;
        const before = await register.authSetStatus(id, aid).catch(() => undefined);
        context.note({
          object: { type: 'device', id },
          details: { status, auth_set: aid },
          ...(before === undefined ? {} : { before: { status: before } }),
          after: { status },
        });
        await devices.setStatus(id, aid, context.body.status);
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${devauth}/devices/{id}/auth/{aid}`,
        access: 'devices:manage',
        confined: 'device',
        summary: 'Dismiss an authentication set',
        audit: 'device_dismiss',
        responses: { 204: { description: 'gone' } },
      },
      async (context) => {
        const { id, aid } = named(context);
        context.note({ object: { type: 'device', id }, details: { auth_set: aid } });
        await devices.dismiss(id, aid);
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${devauth}/tokens/{id}`,
        access: 'devices:manage',
        confined: 'handler',
        summary: "Void a device's token",
        audit: 'device_token_revoke',
        responses: { 204: { description: 'void' } },
      },
      async (context) => {
        context.note({ object: { type: 'auth_set', id: named(context).id } });
        await devices.revokeToken(named(context).id, scopeOf(context, 'devices:manage'));
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${devauth}/limits/{name}`,
        access: 'devices:read',
        confined: 'handler',
        summary: 'How many devices may be accepted',
        responses: { 200: { description: 'limit; -1: no limit' } },
      },
      ({ params }) => {
        if (params['name'] !== 'max_devices') throw badRequest(`unsupported limit ${params['name'] ?? ''}`);
        return json(200, { limit: -1 });
      },
    ),
  ];
}
