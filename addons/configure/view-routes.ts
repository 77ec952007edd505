import { Type } from 'typebox';
import type { ServerRequest, ServerRoute } from '#addon/server';
import { base } from './answers.ts';
import { compareLayers } from './layers.ts';
import { deviceOf } from './reference-routes.ts';
import type { Host, Settings } from './settings.ts';
import { Differing, driftShown, givenOf, shown, State, Whole } from './shown.ts';

const access = 'devices:configure';

const Paging = Type.Object({
  group: Type.Optional(Type.String({ maxLength: 256 })),
  page: Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,5}$' })),
  per_page: Type.Optional(Type.String({ pattern: '^([1-9][0-9]?|[1-4][0-9][0-9]|500)$' })),
});
/** What devices are to have and have, one and all together. */
export function viewRoutes(host: Host, settings: Settings): ServerRoute[] {
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
          body: Type.Array(Type.Object({ name: Type.String(), priority: Type.Integer(), settings: Type.Integer() })),
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
          body: Type.Array(Type.Object({ device_id: Type.String(), state: State, drift: Differing })),
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
