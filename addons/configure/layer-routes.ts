import { Type, type TSchema } from 'typebox';
import { CodedError } from '#base/errors';
import type { ServerRequest, ServerRoute } from '#addon/server';
import { states } from './answers.ts';
import type { Drift } from './drift.ts';
import { Keys, Schema } from './keys.ts';
import { compareLayers, fleet, type Layer, type Place } from './layers.ts';
import { deviceOf } from './reference-routes.ts';
import type { Host, Settings } from './settings.ts';
import { historyLimit, type Revision } from './store.ts';
import { difference, Values, valueOf } from './values.ts';

const base = '/api/management/v1/patchbay/configuration';
const access = 'devices:configure';

const Text = Type.String();
const Name = Type.String({ minLength: 1, maxLength: 4096 });
const Where = Type.Object({
  kind: Type.Union([Type.Literal('fleet'), Type.Literal('group'), Type.Literal('device')]),
  name: Text,
});
const Given = Type.Object({
  values: Values,
  revision: Type.Integer(),
  priority: Type.Optional(Type.Integer()),
  updated_ts: Type.Optional(Text),
  updated_by: Type.Optional(Text),
});
const Differing = Type.Object({
  since: Text,
  keys: Type.Array(
    Type.Object({
      key: Text,
      desired: Type.Optional(Text),
      reported: Type.Optional(Text),
      since: Text,
      secret: Type.Boolean(),
    }),
  ),
});
const State = Type.Union(states.map((state) => Type.Literal(state)));
const Whole = Type.Object({
  id: Text,
  own: Given,
  effective: Type.Array(
    Type.Object({ key: Text, value: Text, secret: Type.Boolean(), origin: Where, overrides: Type.Array(Where) }),
  ),
  reported: Values,
  state: State,
  drift: Type.Optional(Differing),
  reported_ts: Type.Optional(Text),
  sent_ts: Type.Optional(Text),
  deployment_id: Type.Optional(Text),
});
const Patch = Type.Object(
  {
    set: Type.Optional(Values),
    unset: Type.Optional(Type.Array(Name, { maxItems: 100 })),
    priority: Type.Optional(Type.Integer({ minimum: -1000, maximum: 1000 })),
  },
  { additionalProperties: false },
);
type Patch = { set?: Values; unset?: string[]; priority?: number };
const Sent = Type.Object({
  sent: Type.Array(Type.Object({ device_id: Text, deployment_id: Type.Optional(Text), error: Type.Optional(Text) })),
  unchanged: Type.Integer(),
});
const History = Type.Array(
  Type.Object({
    revision: Type.Integer(),
    ts: Text,
    by: Text,
    reverts: Type.Optional(Type.Integer()),
    values: Values,
    changes: Type.Optional(
      Type.Array(
        Type.Object({ key: Text, before: Type.Optional(Text), after: Type.Optional(Text), secret: Type.Boolean() }),
      ),
    ),
  }),
);
const Paging = Type.Object({
  group: Type.Optional(Type.String({ maxLength: 256 })),
  page: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}$' })),
  per_page: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|[1-4][0-9][0-9]|500)$' })),
});
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

function viewRoutes(host: Host, settings: Settings): ServerRoute[] {
  return [
    {
      method: 'GET',
      path: `${base}/devices/{id}`,
      access,
      confined: 'device',
      summary: 'The settings of a device: what it is to have and why, what it has, and whether that is the same',
      responses: { 200: { description: 'all of it', body: Whole }, 404: { description: 'no such device' } },
      async handler(request) {
        const id = await deviceOf(request, host);
        const keys = await settings.keys();
        const { own, effective, device, state, drift } = await settings.view(id);
        const { reported_ts, sent_ts, deployment_id } = device;
        const body = {
          id,
          own: givenOf(own, keys),
          effective: [...effective]
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, { value, origin, overrides }]) => ({
              ...shown(keys, key, { value }),
              origin,
              overrides,
            })),
          reported: keys.masked(device.reported),
          state,
          ...(drift ? { drift: driftShown(drift, keys) } : {}),
          ...(reported_ts === undefined ? {} : { reported_ts }),
          ...(sent_ts === undefined ? {} : { sent_ts }),
          ...(deployment_id === undefined ? {} : { deployment_id }),
        };
        return { status: 200, body };
      },
    },
    {
      method: 'GET',
      path: `${base}/groups`,
      access,
      confined: 'handler',
      summary: 'Groups for which settings are given, those that win first',
      responses: {
        200: {
          description: 'groups',
          body: Type.Array(Type.Object({ name: Text, priority: Type.Integer(), settings: Type.Integer() })),
        },
      },
      async handler({ reach }) {
        const groups = (await settings.store.shared()).filter(
          ({ place }) => place.kind === 'group' && (reach === 'all' || reach.includes(place.name)),
        );
        return {
          status: 200,
          body: groups
            .sort((a, b) => compareLayers(b, a))
            .map(({ place, priority, values }) => ({
              name: place.name,
              priority,
              settings: Object.keys(values).length,
            })),
        };
      },
    },
    {
      method: 'GET',
      path: `${base}/drift`,
      access,
      confined: 'handler',
      summary: 'Accepted devices that report other settings than they are to have; a page is one of devices looked at',
      query: Paging,
      responses: {
        200: {
          description: 'devices that differ; X-Total-Count is how many were to be looked at',
          body: Type.Array(Type.Object({ device_id: Text, state: State, drift: Differing })),
        },
      },
      async handler({ query, reach }) {
        const { group, page = '1', per_page = '100' } = query as { group?: string; page?: string; per_page?: string };
        const devices = await within(host, group, reach);
        const from = (Number(page) - 1) * Number(per_page);
        const keys = await settings.keys();
        const found = await settings.drifting(devices.slice(from, from + Number(per_page)));
        return {
          status: 200,
          body: found.map(({ drift, ...rest }) => ({ ...rest, drift: driftShown(drift, keys) })),
          headers: { 'X-Total-Count': String(devices.length) },
        };
      },
    },
  ];
}

/** Accepted devices, of a group if one is named, that somebody reaches who is confined to some groups. */
async function within(host: Host, group: string | undefined, reach: ServerRequest['reach']) {
  const all = await host.acceptedDevices(group);
  if (reach === 'all') return all;
  const mine = new Set((await Promise.all(reach.map((name) => host.acceptedDevices(name)))).flat());
  return all.filter((id) => mine.has(id));
}

function schemaRoutes(settings: Settings): ServerRoute[] {
  return [
    {
      method: 'GET',
      path: `${base}/schema`,
      access,
      // Of no device: words that whoever sets anything needs.
      confined: 'handler',
      summary: 'What settings there may be',
      responses: { 200: { description: 'a JSON Schema', body: Schema } },
      handler: async () => ({ status: 200, body: (await settings.keys()).schema }),
    },
    {
      method: 'PUT',
      path: `${base}/schema`,
      // Whoever says what is secret says who sees it.
      access: 'settings:manage',
      summary: 'Say what settings there may be: type, limits, and which are secret; what was set before may stay',
      audit: 'set_configuration_schema',
      body: Schema,
      responses: { 204: { description: 'stored' }, 400: { description: 'no such schema' } },
      async handler(request) {
        const schema = request.body as Schema;
        new Keys(schema).check({}); // throws for one that means nothing
        const revision = await settings.store.setSchema(schema, request.userName);
        const details = { settings: Object.keys(schema.properties).length, revision };
        request.note({ object: { type: 'configuration_schema', id: 'schema' }, details });
        return { status: 204 };
      },
    },
  ];
}

function givenOf({ place, values, revision, priority, updated_ts, updated_by }: Layer, keys: Keys) {
  return {
    values: keys.masked(values),
    revision,
    ...(place.kind === 'group' ? { priority } : {}),
    ...(updated_ts === undefined ? {} : { updated_ts }),
    ...(updated_by ? { updated_by } : {}),
  };
}

/** A setting with texts that are masked if it is a secret. */
function shown<T extends Readonly<Record<string, string>>>(
  keys: Keys,
  key: string,
  texts: T,
): T & { key: string; secret: boolean } {
  const secret = keys.isSecret(key);
  const masked = Object.entries(texts).map(([name, text]) => [name, keys.masked({ [key]: text })[key] ?? text]);
  return { key, secret, ...(Object.fromEntries(masked) as T) };
}

const driftShown = ({ since, keys: differing }: Drift, keys: Keys) => ({
  since,
  keys: differing.map(({ key, since, ...texts }) => ({ ...shown(keys, key, texts), since })),
});

function revisionOf({ revision, previous }: { revision: Revision; previous?: Revision }, keys: Keys) {
  const { set, removed } = difference(previous?.values ?? {}, revision.values);
  const changes = [...set, ...removed].sort().map((key) => {
    const before = valueOf(previous?.values ?? {}, key);
    const after = valueOf(revision.values, key);
    return shown(keys, key, {
      ...(before === undefined ? {} : { before }),
      ...(after === undefined ? {} : { after }),
    });
  });
  return { ...revision, values: keys.masked(revision.values), ...(previous ? { changes } : {}) };
}
