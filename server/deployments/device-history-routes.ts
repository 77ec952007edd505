import { Type } from 'typebox';
import { Text } from '#proto/http/conventions';
import { deploymentsV1, DeviceHistoryEntry } from '#proto/http/deployments';
import { pageHeaders, pageOf, PageQuery } from '../http/paging.ts';
import { empty, json, type Route, route, scopeOf } from '../http/route.ts';
import { abortForDevice } from './abort.ts';
import type { DeploymentDeps } from './deps.ts';
import { clearHistory, listHistory } from './history.ts';
import { statusFilter } from './status-filter.ts';
import { deploymentsOf, deviceEntriesOf } from './view.ts';

/** Largest page of a device's history (`server-api.md` §5). */
const perPageLimit = 20;
const path = `${deploymentsV1}/deployments/devices/{id}`;

/** What one device has been part of, and an end to it. */
export function deviceHistoryRoutes({ db, live, activity }: DeploymentDeps): Route[] {
  return [
    route(
      {
        method: 'GET',
        path,
        access: 'deployments:read',
        confined: 'device',
        summary: 'A page of what a device was deployed, newest first',
        query: Type.Object({ ...PageQuery, status: Type.Optional(Text(64)) }),
        responses: {
          200: { description: 'a page', body: Type.Array(DeviceHistoryEntry) },
          400: { description: 'bad parameter' },
        },
      },
      async (context) => {
        const { req, query } = context;
        const { id = '' } = context.params;
        const page = pageOf(query, { max: perPageLimit });
        const { parts, deployments, total } = await listHistory(db, id, statusFilter(query.status), page);
        const shown = new Map(
          (await deploymentsOf(db, deployments, scopeOf(context, 'deployments:read'))).map((one) => [one.id, one]),
        );
        const devices = await deviceEntriesOf(db, parts, scopeOf(context, 'releases:read'));
        const entries = parts.map(({ deployment_id }, index) => ({
          id: `${deployment_id}.${id}`,
          deployment: shown.get(deployment_id),
          device: devices[index],
        }));
        return json(200, entries, pageHeaders(req.originalUrl, page, { total }));
      },
    ),
    route(
      {
        method: 'DELETE',
        path,
        access: 'deployments:manage',
        confined: 'device',
        summary: 'Abort all that a device is at or has been asked to do',
        audit: 'device_deployments_abort',
        responses: { 204: { description: 'aborted' } },
      },
      async ({ params: { id = '' }, note }) => {
        note({ object: { type: 'device', id } });
        await abortForDevice({ db, live }, id);
        return empty();
      },
    ),
    route(
      {
        method: 'DELETE',
        path: `${path}/history`,
        access: 'deployments:manage',
        confined: 'device',
        summary: "Forget a device's finished deployments: it takes part again in those still active",
        audit: 'device_deployments_forget',
        responses: { 204: { description: 'forgotten' } },
      },
      async ({ params: { id = '' }, note }) => {
        note({ object: { type: 'device', id } });
        const again = await clearHistory(db, id);
        activity.changed();
        for (const deployment of again) live.tell('deployment', { id: deployment, status: 'inprogress', device: id });
        return empty();
      },
    ),
  ];
}
