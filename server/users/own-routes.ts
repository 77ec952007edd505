import { Type } from 'typebox';
import { Text } from '#proto/http/conventions';
import { useradm } from '#proto/http/users';
import { enrolFirst } from '../http/guard.ts';
import { callerId, empty, json, route, type Context, type Reply, type Route } from '../http/route.ts';
import type { AccessTokens } from './access-tokens.ts';
import type { Settings } from './settings.ts';
import type { Users } from './users.ts';

const Free = Type.Record(Type.String(), Type.Unknown());
const NewToken = Type.Object({ name: Text(4096, 1), expires_in: Type.Integer({ minimum: 0, maximum: 31_536_000 }) });
const OwnPassword = Type.Object({ password: Text(256, 1), current_password: Text(256, 1) });
/** All is open here: what elsewhere a plan unlocks is simply there. */
const features = {
  rbac: true,
  audit_logs: true,
  dynamic_groups: false,
  terminal: true,
  file_transfer: true,
  configuration: false,
  monitoring: false,
  reporting: false,
};

/** What a user keeps for himself: settings, access tokens, his password; and the plans that old clients ask for. */
export function ownRoutes(
  users: Users,
  settings: Settings,
  tokens: AccessTokens,
  settingsChanged: () => Promise<void>,
): Route[] {
  const read = async (owner: string): Promise<Reply> => {
    const { document, etag } = await settings.get(owner);
    return json(200, document, { ETag: etag });
  };
  const write = async (context: Context, owner: string, document: Record<string, unknown>): Promise<Reply> => {
    const { document: before } = await settings.get(owner);
    context.note({ object: { type: 'settings', id: owner }, before, after: document });
    await settings.put(owner, document, context.req.get('if-match'));
    if (owner === 'global') await settingsChanged();
    return empty(201);
  };
  return [
    route(
      {
        method: 'GET',
        path: `${useradm}/settings`,
        access: 'user',
        summary: 'Settings of everybody',
        responses: { 200: { description: 'settings', body: Free } },
      },
      () => read('global'),
    ),
    route(
      {
        method: 'POST',
        path: `${useradm}/settings`,
        access: 'settings:manage',
        summary: 'Replace the settings of everybody',
        body: Free,
        audit: 'settings_update',
        responses: { 201: { description: 'stored' } },
      },
      (context) => write(context as Context, 'global', context.body),
    ),
    route(
      {
        method: 'GET',
        path: `${useradm}/settings/me`,
        access: 'user',
        summary: 'My settings',
        responses: { 200: { description: 'settings', body: Free } },
      },
      (context) => read(callerId(context)),
    ),
    route(
      {
        method: 'POST',
        path: `${useradm}/settings/me`,
        access: 'user',
        summary: 'Replace my settings',
        body: Free,
        audit: 'settings_update',
        responses: { 201: { description: 'stored' } },
      },
      (context) => write(context as Context, callerId(context), context.body),
    ),
    route(
      {
        method: 'GET',
        path: `${useradm}/settings/tokens`,
        access: 'user',
        summary: 'My access tokens',
        responses: { 200: { description: 'tokens' } },
      },
      async (context) => json(200, await tokens.list(callerId(context))),
    ),
    route(
      {
        method: 'POST',
        path: `${useradm}/settings/tokens`,
        access: 'user',
        summary: 'Make an access token; it is shown this once',
        body: NewToken,
        audit: 'token_create',
        responses: { 200: { description: 'the token', body: Type.String(), type: 'application/jwt' } },
      },
      async (context) => {
        const { name, expires_in } = context.body;
        context.note({ object: { type: 'user_access_token', id: name, name }, details: { expires_in } });
        // It would be a way round what is wanted of everybody.
        if (context.caller.kind === 'user' && context.caller.mustEnrol) throw enrolFirst();
        const whence = { address: context.address, userAgent: context.req.get('user-agent') };
        const token = await tokens.create(callerId(context), { name, seconds: expires_in, whence });
        return { status: 200, body: token, type: 'application/jwt' };
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${useradm}/settings/tokens/{id}`,
        access: 'user',
        summary: 'Remove an access token',
        audit: 'token_remove',
        responses: { 204: { description: 'gone' } },
      },
      async (context) => {
        const id = context.params['id'] ?? '';
        context.note({ object: { type: 'user_access_token', id } });
        await tokens.remove(callerId(context), id);
        return empty();
      },
    ),
    route(
      {
        method: 'PUT',
        path: '/api/management/v2/useradm/users/me',
        access: 'user',
        summary: 'Change my password',
        body: OwnPassword,
        audit: 'user_update',
        responses: { 204: { description: 'done' } },
      },
      async (context) => {
        const id = callerId(context);
        context.note({ object: { type: 'user', id }, details: { password: true } });
        await users.checkCurrentPassword(id, context.body.current_password);
        await users.update(
          id,
          { password: context.body.password },
          { keepToken: context.caller.kind === 'user' ? context.caller.tokenId : undefined },
        );
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${useradm}/plans`,
        access: 'user',
        summary: 'Plans: one, with everything',
        responses: { 200: { description: 'plans' } },
      },
      () => json(200, [{ name: 'enterprise', display_name: 'Patchbay', features }]),
    ),
    route(
      {
        method: 'GET',
        path: `${useradm}/plan_binding`,
        access: 'user',
        summary: 'The plan of this server',
        responses: { 200: { description: 'plan' } },
      },
      () => json(200, { plan: { name: 'enterprise', display_name: 'Patchbay', features } }),
    ),
  ];
}
