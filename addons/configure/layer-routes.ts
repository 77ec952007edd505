import { Type, type TSchema } from 'typebox';
import { CodedError } from '#base/errors';
import type { ServerRequest, ServerRoute } from '#addon/server';
import { base } from './answers.ts';
import { fleet, type Layer, type Place } from './layers.ts';
import { deviceOf } from './reference-routes.ts';
import { schemaRoutes } from './schema-routes.ts';
import type { Host, Settings } from './settings.ts';
import { Given, givenOf, History, revisionOf, Sent } from './shown.ts';
import { historyLimit } from './store.ts';
import { difference, Values } from './values.ts';
import { viewRoutes } from './view-routes.ts';

const access = 'devices:configure';

const Name = Type.String({ minLength: 1, maxLength: 4096 });
const Patch = Type.Object(
  {
    set: Type.Optional(Values),
    unset: Type.Optional(Type.Array(Name, { maxItems: 100 })),
    priority: Type.Optional(Type.Integer({ minimum: -1000, maximum: 1000 })),
  },
  { additionalProperties: false },
);
type Patch = { set?: Values; unset?: string[]; priority?: number };
const HistoryPage = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$' })),
  before: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,8}$' })),
});

/** Where a request's path points, and whom it concerns. */
interface Target {
  readonly path: string;
  /** Whom somebody must reach who may do this for some groups only; the fleet is for those who may do it for all. */
  readonly confined?: 'device' | 'group';
  readonly what: string;
  /** Notes it for the audit log; throws 404. */
  readonly place: (request: ServerRequest) => Promise<Place>;
  /** Accepted devices. */
  readonly devices: (place: Place) => Promise<readonly string[]>;
}

/** Settings by layer, with their history, and what becomes of them: ours, beyond the reference. */
export function layerRoutes(host: Host, settings: Settings): ServerRoute[] {
  const targets: Target[] = [
    {
      path: `${base}/fleet`,
      what: 'all devices',
      async place(request) {
        request.note({ object: { type: 'fleet', id: 'fleet' } });
        return fleet;
      },
      devices: () => host.acceptedDevices(),
    },
    {
      path: `${base}/groups/{name}`,
      confined: 'group',
      what: 'the devices of a group',
      async place(request) {
        const name = request.params['name'] ?? '';
        request.note({ object: { type: 'group', id: name } });
        if (!(await host.hasGroup(name))) throw new CodedError('not_found', `no group ${name.slice(0, 256)}`);
        return { kind: 'group', name };
      },
      devices: ({ name }) => host.acceptedDevices(name),
    },
    {
      path: `${base}/devices/{id}`,
      confined: 'device',
      what: 'a device',
      place: async (request) => ({ kind: 'device', name: await deviceOf(request, host) }),
      devices: async ({ name }) => [name],
    },
  ];
  return [
    ...targets.flatMap((target) => routesOf(target, settings)),
    ...viewRoutes(host, settings),
    ...schemaRoutes(settings),
  ];
}

function routesOf({ path, what, place, devices, ...confinement }: Target, settings: Settings): ServerRoute[] {
  const missing = { 404: { description: 'no such device or group' } };
  const changed = async (request: ServerRequest, where: Place, { before, after }: { before: Layer; after: Layer }) => {
    const { kind, name } = where;
    const object = { type: kind, id: kind === 'fleet' ? 'fleet' : name };
    const { revision } = after;
    request.note({ object, details: { ...difference(before.values, after.values), revision } });
    return { status: 200, body: givenOf(after, await settings.keys()) };
  };
  const given = (description: string) => ({ 200: { description, body: Given as TSchema }, ...missing });
  const refused = { 400: { description: 'too many or too large, or refused by the schema' } };
  const own: ServerRoute[] = path.includes('{id}')
    ? []
    : [
        {
          method: 'GET',
          path,
          access,
          ...confinement,
          summary: `The settings given for ${what}`,
          responses: given('what is given there'),
          async handler(request) {
            const layer = await settings.store.layer(await place(request));
            return { status: 200, body: givenOf(layer, await settings.keys()) };
          },
        },
        {
          method: 'POST',
          path: `${path}/deploy`,
          access,
          ...confinement,
          summary: `Send ${what} the settings that they are to have and have not`,
          audit: 'deploy_configuration',
          responses: { 200: { description: 'who was sent something', body: Sent }, ...missing },
          async handler(request) {
            const where = await place(request);
            const done = await settings.deployTo(await devices(where));
            const object = { type: where.kind, id: where.kind === 'fleet' ? 'fleet' : where.name };
            request.note({ object, details: { devices: done.sent.length, unchanged: done.unchanged } });
            return { status: 200, body: done };
          },
        },
      ];
  return [
    ...own,
    {
      method: 'PATCH',
      path,
      access,
      ...confinement,
      summary: `Change settings given for ${what}; what is not named stays`,
      audit: 'set_configuration',
      body: Patch,
      responses: { ...given('what is given there now'), ...refused },
      async handler(request) {
        const where = await place(request);
        const patch = request.body as Patch;
        if (patch.priority !== undefined && where.kind !== 'group')
          throw new CodedError('bad_request', 'only groups have a priority');
        return await changed(request, where, await settings.change(where, { ...patch, by: request.userName }));
      },
    },
    {
      method: 'GET',
      path: `${path}/history`,
      access,
      ...confinement,
      summary: `How the settings given for ${what} came to be, the newest first; the last ${historyLimit} changes are kept`,
      query: HistoryPage,
      responses: { 200: { description: 'revisions', body: History }, ...missing },
      async handler(request) {
        const { limit = '20', before } = request.query as { limit?: string; before?: string };
        const keys = await settings.keys();
        const asked = before === undefined ? undefined : Number(before);
        const found = await settings.history(await place(request), Number(limit), asked);
        return { status: 200, body: found.map((each) => revisionOf(each, keys)) };
      },
    },
    {
      method: 'POST',
      path: `${path}/revert`,
      access,
      ...confinement,
      summary: `Give ${what} the settings again that were given at a revision`,
      audit: 'revert_configuration',
      body: Type.Object({ revision: Type.Integer({ minimum: 1 }) }),
      responses: { ...given('what is given there now'), ...refused },
      async handler(request) {
        const where = await place(request);
        const { revision } = request.body as { revision: number };
        return await changed(request, where, await settings.revert(where, revision, request.userName));
      },
    },
  ];
}
