import { Type } from 'typebox';
import { Uuid } from '#proto/http/conventions';
import { parser } from '#proto/validate';
import { badRequest, notFound } from '../errors.ts';
import { pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import { empty, json, type Route, route } from '../http/route.ts';
import type { Integrations } from './integrations.ts';
import type { Outbound } from './outbound.ts';
import { Integration, IotEvent, NewIntegration, Webhook } from './words.ts';

const base = '/api/management/v1/iot-manager';
const parseWebhook = parser(Webhook, 'bad_request');
const State = Type.Object({ desired: Type.Object({}), reported: Type.Object({}) });
const States = Type.Record(Type.String(), State);

/** Integrations and their events (`server-api.md` §2.9). */
export function iotManagerRoutes(
  integrations: Integrations,
  outbound: Outbound,
  hasDevice: (id: string) => Promise<boolean>,
): Route[] {
  const webhookOf = (credentials: unknown): Webhook => {
    const webhook = parseWebhook(credentials);
    outbound.check(webhook.http.url);
    return webhook;
  };
  return [...integrationRoutes(integrations, webhookOf), eventsRoute(integrations), ...stateRoutes(hasDevice)];
}

function integrationRoutes(integrations: Integrations, webhookOf: (credentials: unknown) => Webhook): Route[] {
  const path = `${base}/integrations/{id}`;
  const missing = { 404: { description: 'no such integration' } };
  return [
    route(
      {
        method: 'GET',
        path: `${base}/integrations`,
        access: 'settings:manage',
        summary: 'The integrations, without their secrets',
        query: Type.Object(PageQuery),
        responses: { 200: { description: 'a page', body: Type.Array(Integration) }, 400: { description: 'bad page' } },
      },
      async ({ req, query }) => {
        const page = pageOf(query);
        const all = await integrations.list();
        const end = page.offset + page.perPage;
        return json(200, all.slice(page.offset, end), pageHeaders(req.originalUrl, page, { more: all.length > end }));
      },
    ),
    route(
      {
        method: 'POST',
        path: `${base}/integrations`,
        access: 'settings:manage',
        summary: 'Have a webhook told of device events',
        body: NewIntegration,
        audit: 'integration_create',
        responses: {
          201: { description: 'made; Location names it' },
          400: { description: 'a provider that this server has not, or a URL that it does not go to' },
          409: { description: 'there is one already' },
        },
      },
      async ({ body, note }) => {
        if (body.provider !== 'webhook')
          throw badRequest(`provider ${body.provider} is not supported by this server: webhook is`);
        const webhook = webhookOf(body.credentials);
        const id = await integrations.create(webhook, body.description);
        note({ object: { type: 'integration', id }, details: { host: new URL(webhook.http.url).host } });
        return empty(201, { Location: `${base}/integrations/${id}` });
      },
    ),
    route(
      {
        method: 'GET',
        path,
        access: 'settings:manage',
        summary: 'An integration, without its secret',
        responses: { 200: { description: 'the integration', body: Integration }, ...missing },
      },
      async ({ params }) => json(200, await integrations.get(params['id'] ?? '')),
    ),
    route(
      {
        method: 'DELETE',
        path,
        access: 'settings:manage',
        summary: 'Remove an integration',
        audit: 'integration_delete',
        responses: { 204: { description: 'removed' }, ...missing },
      },
      async ({ params, note }) => {
        const id = params['id'] ?? '';
        note({ object: { type: 'integration', id } });
        await integrations.remove(id);
        return empty();
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${path}/credentials`,
        access: 'settings:manage',
        summary: 'Another URL or secret for an integration',
        body: Webhook,
        audit: 'integration_update',
        responses: {
          204: { description: 'done' },
          400: { description: 'not a webhook, or a URL that this server does not go to' },
          ...missing,
        },
      },
      async ({ params, body, note }) => {
        const id = params['id'] ?? '';
        note({ object: { type: 'integration', id }, details: { host: hostOf(body.http.url) } });
        await integrations.setCredentials(id, webhookOf(body));
        return empty();
      },
    ),
  ];
}

const hostOf = (url: string): string => (URL.canParse(url) ? new URL(url).host : '');

function eventsRoute(integrations: Integrations): Route {
  return route(
    {
      method: 'GET',
      path: `${base}/events`,
      access: 'settings:manage',
      summary: 'Events of the last seven days and how telling of them went, newest first',
      query: Type.Object({ ...PageQuery, integration_id: Type.Optional(Uuid) }),
      responses: {
        200: { description: 'a page', body: Type.Array(IotEvent) },
        400: { description: 'bad page or integration_id' },
      },
    },
    async ({ req, query }) => {
      const page = pageOf(query);
      const { events, more } = await integrations.events(
        page.perPage,
        page.offset,
        query.integration_id?.toLowerCase(),
      );
      return json(200, events, pageHeaders(req.originalUrl, page, { more }));
    },
  );
}

/** Clouds keep a state of each device, webhooks none: there is never one here. */
function stateRoutes(hasDevice: (id: string) => Promise<boolean>): Route[] {
  const path = `${base}/devices/{id}`;
  const known = async (id = ''): Promise<void> => {
    if (!(await hasDevice(id))) throw notFound('device not found');
  };
  const none = { 404: { description: 'no such device, or no integration that keeps a state of it' } };
  const noState = async (id: string | undefined): Promise<never> => {
    await known(id);
    throw notFound('no integration keeps a state of this device');
  };
  return [
    route(
      {
        method: 'GET',
        path: `${path}/state`,
        access: 'settings:manage',
        summary: 'The states that integrations keep of a device: webhooks keep none',
        responses: { 200: { description: 'by integration', body: States }, ...none },
      },
      async ({ params }) => {
        await known(params['id']);
        return json(200, {});
      },
    ),
    ...(['GET', 'PUT'] as const).map((method) =>
      route(
        {
          method,
          path: `${path}/state/{integration}`,
          access: 'settings:manage',
          summary: `${method === 'GET' ? 'The' : 'Set the'} state that an integration keeps of a device`,
          ...(method === 'PUT'
            ? { body: Type.Object({ desired: Type.Optional(Type.Object({})) }), audit: 'integration_state' }
            : {}),
          responses: { 200: { description: 'the state', body: State }, ...none },
        },
        ({ params, note }) => {
          note({ object: { type: 'device', id: params['id'] ?? '' } });
          return noState(params['id']);
        },
      ),
    ),
    route(
      {
        method: 'DELETE',
        path,
        access: 'settings:manage',
        summary: 'Take a device out of the integrations that keep a state of it',
        audit: 'integration_device_delete',
        responses: { 204: { description: 'removed' }, ...none },
      },
      ({ params, note }) => {
        note({ object: { type: 'device', id: params['id'] ?? '' } });
        return noState(params['id']);
      },
    ),
  ];
}
