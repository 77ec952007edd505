import { Type } from 'typebox';
import { CodedError } from '#base/errors';
import { defineServer, type ServerRequest } from '#addon/server';
import manifest from './manifest.ts';
import { Configurations, migrations, type Tables } from './store.ts';
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

/** Settings of devices (`server-api.md` §1.7, §2.7, §3.8). */
export default defineServer(manifest, (host) => {
  const store = new Configurations(host.tables<Tables>());

  /** The device of the path, which the audit log names. Throws 404. */
  async function device(request: ServerRequest): Promise<string> {
    const id = request.params['id'] ?? '';
    request.note({ object: { type: 'device', id } });
    if (!(await host.hasDevice(id))) throw new CodedError('not_found', 'device not found');
    return id;
  }

  return {
    migrations,
    decommissioned: (deviceId) => store.forget(deviceId),
    routes: [
      {
        method: 'GET',
        path: own,
        access: 'device',
        summary: 'The settings that this device is to have',
        responses: { 200: { description: 'the settings', body: Values } },
        handler: async ({ deviceId }) => ({ status: 200, body: (await store.get(deviceId)).configured }),
      },
      {
        method: 'PUT',
        path: own,
        access: 'device',
        summary: 'Report the settings that this device has',
        body: Values,
        responses: { 204: { description: 'stored' }, 400: { description: 'not a flat map of texts, or too large' } },
        async handler({ deviceId, body }) {
          await store.report(deviceId, body as Values);
          return { status: 204 };
        },
      },
      {
        method: 'GET',
        path: ofDevice,
        access: 'devices:configure',
        confined: 'device',
        summary: 'The settings of a device: those it is to have and those it has',
        responses: { 200: { description: 'both', body: Stored }, 404: { description: 'no such device' } },
        async handler(request) {
          const id = await device(request);
          return { status: 200, body: { id, ...(await store.get(id)) } };
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
          400: { description: 'not a flat map of texts, or too large' },
          404: { description: 'no such device' },
        },
        async handler(request) {
          const id = await device(request);
          const values = request.body as Values;
          const { configured } = await store.get(id);
          request.note({ object: { type: 'device', id }, details: difference(configured, values) });
          await store.configure(id, values);
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
        },
        async handler(request) {
          const id = await device(request);
          const { update_control_map: map } = request.body as { update_control_map?: object };
          if (map !== undefined) throw new CodedError('forbidden', 'update control maps are not supported');
          const { configured } = await store.get(id);
          const deployment = await host.deployConfiguration(id, configured);
          await store.deployed(id, deployment);
          request.note({ object: { type: 'device', id }, details: { deployment } });
          return { status: 200, body: { deployment_id: deployment } };
        },
      },
    ],
  };
});
