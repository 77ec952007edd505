import { Type } from 'typebox';
import { CodedError } from '#base/errors';
import type { ServerRequest, ServerRoute } from '#addon/server';
import { valuesOf } from './layers.ts';
import type { Host, Settings } from './settings.ts';
import { difference, Values } from './values.ts';

const own = '/api/devices/v1/deviceconfig/configuration';
const ofDevice = '/api/management/v1/deviceconfig/configurations/device/{id}';

const Time = Type.String();
const Stored = Type.Object({
  id: Type.String(),
  configured: Values,
  reported: Values,
  deployment_id: Type.Optional(Type.String()),
  updated_ts: Type.Optional(Time),
  reported_ts: Type.Optional(Time),
});

/** Retries are the deployment's business and come with none here; other keys are read over. */
const Deploy = Type.Object({
  retries: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
  update_control_map: Type.Optional(Type.Object({})),
});

/** The device of the path, which the audit log names. Throws 404. */
export async function deviceOf(request: ServerRequest, host: Pick<Host, 'hasDevice'>): Promise<string> {
  const id = request.params['id'] ?? '';
  request.note({ object: { type: 'device', id } });
  if (!(await host.hasDevice(id))) throw new CodedError('not_found', 'device not found');
  return id;
}

/** The routes of the reference (`server-api.md` §1.7, §2.7, §3.8). What a device is to have is what all layers add up to. */
export function referenceRoutes(host: Host, settings: Settings): ServerRoute[] {
  return [
    {
      method: 'GET',
      path: own,
      access: 'device',
      summary: 'The settings that this device is to have',
      responses: { 200: { description: 'the settings', body: Values } },
      handler: async ({ deviceId }) => ({ status: 200, body: valuesOf(await settings.effective(deviceId)) }),
    },
    {
      method: 'PUT',
      path: own,
      access: 'device',
      summary: 'Report the settings that this device has',
      body: Values,
      responses: { 204: { description: 'stored' }, 400: { description: 'not a flat map of texts, or too large' } },
      async handler({ deviceId, body }) {
        await settings.store.report(deviceId, body as Values);
        host.changed(deviceId);
        return { status: 204 };
      },
    },
    {
      method: 'GET',
      path: ofDevice,
      access: 'devices:configure',
      confined: 'device',
      summary:
        'The settings of a device: its own, which win over those of its groups and of the fleet, and those it has',
      responses: { 200: { description: 'both', body: Stored }, 404: { description: 'no such device' } },
      async handler(request) {
        const id = await deviceOf(request, host);
        const keys = await settings.keys();
        const { values, updated_ts } = await settings.store.layer({ kind: 'device', name: id });
        const { reported, reported_ts, deployment_id } = await settings.store.device(id);
        return {
          status: 200,
          body: {
            id,
            configured: keys.masked(values),
            reported: keys.masked(reported),
            ...(deployment_id === undefined ? {} : { deployment_id }),
            ...(updated_ts === undefined ? {} : { updated_ts }),
            ...(reported_ts === undefined ? {} : { reported_ts }),
          },
        };
      },
    },
    {
      method: 'PUT',
      path: ofDevice,
      access: 'devices:configure',
      confined: 'device',
      summary: 'Set the settings that a device is to have; they are sent with deploy',
      audit: 'set_configuration',
      body: Values,
      responses: {
        204: { description: 'stored' },
        400: { description: 'not a flat map of texts, too large, or refused by the schema' },
        404: { description: 'no such device' },
      },
      async handler(request) {
        const id = await deviceOf(request, host);
        const change = { all: request.body as Values, by: request.userName };
        const { before, after } = await settings.change({ kind: 'device', name: id }, change);
        const { revision } = after;
        request.note({
          object: { type: 'device', id },
          details: { ...difference(before.values, after.values), revision },
        });
        return { status: 204 };
      },
    },
    {
      method: 'POST',
      path: `${ofDevice}/deploy`,
      access: 'devices:configure',
      confined: 'device',
      summary: 'Send a device the settings that it is to have',
      audit: 'deploy_configuration',
      body: Deploy,
      responses: {
        200: { description: 'on its way', body: Type.Object({ deployment_id: Type.String() }) },
        403: { description: 'update control maps are not supported: no client takes them any more' },
        404: { description: 'no such device' },
        422: { description: 'more settings than can be sent' },
      },
      async handler(request) {
        const id = await deviceOf(request, host);
        const { update_control_map: map } = request.body as { update_control_map?: object };
        if (map !== undefined) throw new CodedError('forbidden', 'update control maps are not supported');
        const deployment = await settings.deploy(id);
        request.note({ object: { type: 'device', id }, details: { deployment } });
        return { status: 200, body: { deployment_id: deployment } };
      },
    },
  ];
}
