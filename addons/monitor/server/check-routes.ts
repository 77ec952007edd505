import { type Static, type TSchema, Type } from 'typebox';
import { CodedError } from '#base/errors';
import type { ServerRequest, ServerRoute } from '#addon/server';
import { base, CheckLayer, CheckPlace, CheckVersion, DeviceChecks } from '../answers.ts';
import { Check } from '../check.ts';
import { checkChecks } from './check-rules.ts';
import { differences, fleet, type Layer, type Place } from './check-layers.ts';
import type { Parts } from './parts.ts';
import { deviceOf } from './reference-routes.ts';

const access = 'devices:configure';

const Given = Type.Object(
  {
    checks: Type.Array(Check, { maxItems: 200 }),
    /** `TYPE_NAME` of checks of weaker places that are not to be made here. */
    without: Type.Optional(Type.Array(Type.String({ minLength: 1, maxLength: 256 }), { maxItems: 200 })),
    priority: Type.Optional(Type.Integer({ minimum: -1000, maximum: 1000 })),
  },
  { additionalProperties: false },
);
const HistoryQuery = Type.Object({
  limit: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|100)$' })),
  before: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,8}$' })),
});

interface Target {
  readonly path: string;
  readonly confined?: 'device' | 'group';
  readonly what: string;
  /** Notes it for the audit log; throws 404. */
  readonly place: (request: ServerRequest) => Promise<Place>;
}

/** Checks by place, with their history, and what becomes of them on a device. */
export function checkRoutes(parts: Parts): ServerRoute[] {
  const targets: Target[] = [
    {
      path: `${base}/checks/fleet`,
      what: 'all devices',
      async place(request) {
        request.note({ object: { type: 'fleet', id: 'fleet' } });
        return fleet;
      },
    },
    {
      path: `${base}/checks/groups/{name}`,
      confined: 'group',
      what: 'the devices of a group',
      async place(request) {
        const name = request.params['name'] ?? '';
        request.note({ object: { type: 'group', id: name } });
        if (!(await parts.host.hasGroup(name))) throw new CodedError('not_found', `no group ${name.slice(0, 256)}`);
        return { kind: 'group', name };
      },
    },
    {
      path: `${base}/checks/devices/{id}`,
      confined: 'device',
      what: 'a device',
      place: async (request) => ({ kind: 'device', name: await deviceOf(request, parts) }),
    },
  ];
  return [
    {
      method: 'GET',
      path: `${base}/checks`,
      access,
      summary: 'Where checks are given besides devices: the fleet and groups, those that win first',
      responses: { 200: { description: 'places', body: Type.Array(CheckPlace) } },
      async handler() {
        const places = (await parts.layers.shared()).reverse();
        return {
          status: 200,
          body: places.map(({ place, checks, version, priority }) => ({
            ...place,
            checks: checks.length,
            version,
            priority,
          })),
        };
      },
    },
    {
      method: 'GET',
      path: `${base}/devices/{id}/checks`,
      access: 'devices:read',
      confined: 'device',
      summary: 'The checks of a device: what it is asked to make and why, and what it says of that',
      responses: { 200: { description: 'all of it', body: DeviceChecks }, 404: { description: 'no such device' } },
      handler: async (request) => ({
        status: 200,
        body: await parts.reports.whole(await deviceOf(request, parts), parts.layers),
      }),
    },
    ...targets.flatMap((target) => routesOf(target, parts)),
  ];
}

function routesOf({ path, what, place, ...confinement }: Target, parts: Parts): ServerRoute[] {
  const { layers } = parts;
  const missing = { 404: { description: 'no such device or group' } };
  const given = (description: string) => ({ 200: { description, body: CheckLayer as TSchema }, ...missing });
  const changed = async (
    request: ServerRequest,
    { kind, name }: Place,
    { before, after }: { before: Layer; after: Layer },
  ) => {
    const object = { type: kind, id: kind === 'fleet' ? 'fleet' : name };
    request.note({ object, details: { ...differences(before, after), version: after.version } });
    if (after.version !== before.version) parts.nudges.add(await devicesOf({ kind, name }, parts));
    return { status: 200, body: layerOf(after) };
  };
  return [
    {
      method: 'GET',
      path,
      access,
      ...confinement,
      summary: `The checks given for ${what}`,
      responses: given('what is given there'),
      handler: async (request) => ({ status: 200, body: layerOf(await layers.get(await place(request))) }),
    },
    {
      method: 'PUT',
      path,
      access,
      ...confinement,
      summary: `Give ${what} these checks in place of those given there before; devices that are connected fetch them at once`,
      audit: 'set_checks',
      body: Given,
      responses: { ...given('what is given there now'), 400: { description: 'a check that no device could make' } },
      async handler(request) {
        const where = await place(request);
        const { checks, without = [], priority } = request.body as Static<typeof Given>;
        if (priority !== undefined && where.kind !== 'group')
          throw new CodedError('bad_request', 'only groups have a priority');
        checkChecks(checks);
        const next = { checks, without, ...(priority === undefined ? {} : { priority }) };
        return await changed(request, where, await layers.change(where, request.userName, next));
      },
    },
    {
      method: 'GET',
      path: `${path}/history`,
      access,
      ...confinement,
      summary: `How the checks given for ${what} came to be, the newest first; the last 100 changes are kept`,
      query: HistoryQuery,
      responses: { 200: { description: 'versions', body: Type.Array(CheckVersion) }, ...missing },
      async handler(request) {
        const { limit = '20', before } = request.query as { limit?: string; before?: string };
        const asked = before === undefined ? undefined : Number(before);
        const found = await layers.history(await place(request), Number(limit), asked);
        return {
          status: 200,
          body: found.map(({ version, previous }) => ({
            ...version,
            ...(previous ? changesOf(previous, version) : {}),
          })),
        };
      },
    },
    {
      method: 'POST',
      path: `${path}/revert`,
      access,
      ...confinement,
      summary: `Give ${what} the checks again that were given at a version`,
      audit: 'revert_checks',
      body: Type.Object({ version: Type.Integer({ minimum: 1, maximum: 1_000_000_000 }) }),
      responses: { ...given('what is given there now') },
      async handler(request) {
        const where = await place(request);
        const { version } = request.body as { version: number };
        return await changed(request, where, await layers.revert(where, version, request.userName));
      },
    },
  ];
}

/** Whom a place concerns. */
async function devicesOf({ kind, name }: Place, { host }: Parts): Promise<readonly string[]> {
  return kind === 'device' ? [name] : await host.acceptedDevices(kind === 'group' ? name : undefined);
}

function changesOf(previous: Parameters<typeof differences>[0], next: Parameters<typeof differences>[1]) {
  const { added, changed, removed } = differences(previous, next);
  return { added, changed, removed };
}

function layerOf({ place, checks, without, version, priority, updated_ts, updated_by }: Layer) {
  return {
    checks,
    without,
    version,
    ...(place.kind === 'group' ? { priority } : {}),
    ...(updated_ts === undefined ? {} : { updated_ts }),
    ...(updated_by ? { updated_by } : {}),
  };
}
