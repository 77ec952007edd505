import { Type } from 'typebox';
import { PageQuery } from '../http/paging.ts';
import { Repeated, Text } from '#proto/http/conventions';
import {
  Counters,
  Deployment,
  DeploymentChange,
  DeploymentDevice,
  deploymentsV1,
  deploymentsV2,
  StatisticsList,
} from '#proto/http/deployments';
import { badRequest, forbidden, notFound } from '../errors.ts';
import { pageHeaders, pageOf } from '../http/paging.ts';
import { empty, json, type Route, route, scopeOf } from '../http/route.ts';
import { checkUuid } from '../artifacts/download.ts';
import { abortDeployment } from './abort.ts';
import { countersFor, reachesWholeDeployment } from './confined.ts';
import { createRoutes } from './create-routes.ts';
import type { DeploymentDeps } from './deps.ts';
import { deviceHistoryRoutes } from './device-history-routes.ts';
import { deviceRoutes } from './device-routes.ts';
import { filterOf, findDeployment, listDeployments } from './listing.ts';
import { logText, type LogLine } from './log-text.ts';
import { statusFilter } from './status-filter.ts';
import { findLog, listDevices, targetsOf } from './store.ts';
import { deploymentsOf, deviceEntriesOf } from './view.ts';

const path = `${deploymentsV1}/deployments`;

/** Deployments: the management API (`server-api.md` §2.2, §2.3) and the device API (§1.2 to §1.4). */
export function deploymentRoutes(deps: DeploymentDeps): Route[] {
  // Those with fixed words first: `{id}` would take them.
  return [
    ...createRoutes(deps),
    ...listRoutes(deps),
    ...deviceHistoryRoutes(deps),
    ...objectRoutes(deps),
    ...partRoutes(deps),
    ...deviceRoutes(deps),
  ];
}

const listQuery = {
  ...PageQuery,
  status: Type.Optional(Text(32)),
  type: Type.Optional(Text(32)),
  created_before: Type.Optional(Text(32)),
  created_after: Type.Optional(Text(32)),
  sort: Type.Optional(Text(32)),
};

function listRoutes({ db }: DeploymentDeps): Route[] {
  const responses = {
    200: { description: 'a page, newest first', body: Type.Array(Deployment) },
    400: { description: 'bad parameter' },
  };
  return [
    route(
      {
        method: 'GET',
        path,
        access: 'deployments:read',
        confined: 'handler',
        summary: 'A page of the deployments (deprecated: use v2)',
        query: Type.Object({ ...listQuery, search: Type.Optional(Text(4096)) }),
        responses,
      },
      async (context) => {
        const { req, query } = context;
        const page = pageOf(query);
        const scope = scopeOf(context, 'deployments:read');
        const { rows, total } = await listDeployments(db, filterOf({ ...query }, scope), page);
        return json(200, await deploymentsOf(db, rows, scope), pageHeaders(req.originalUrl, page, { total }));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${deploymentsV2}/deployments`,
        access: 'deployments:read',
        confined: 'handler',
        summary: 'A page of the deployments',
        query: Type.Object({
          ...listQuery,
          id: Type.Optional(Repeated()),
          name: Type.Optional(Repeated()),
          id_attribute: Type.Optional(Text(1024)),
          id_scope: Type.Optional(Text(32)),
        }),
        responses,
      },
      async (context) => {
        const { req, query } = context;
        const page = pageOf(query);
        const scope = scopeOf(context, 'deployments:read');
        const { rows, total } = await listDeployments(db, filterOf({ ...query }, scope), page);
        return json(200, await deploymentsOf(db, rows, scope), pageHeaders(req.originalUrl, page, { total }));
      },
    ),
    route(
      {
        method: 'POST',
        path: `${path}/statistics/list`,
        access: 'deployments:read',
        confined: 'handler',
        summary: 'Counters of several deployments',
        body: StatisticsList,
        responses: {
          200: {
            description: 'those that were found',
            body: Type.Array(Type.Object({ id: Type.String(), stats: Counters })),
          },
          400: { description: 'more than 100' },
          404: { description: 'none was found' },
        },
      },
      async (context) => {
        const { deployment_ids: ids } = context.body;
        // What the reference does with an empty list.
        if (ids.length === 0) return json(200, {});
        const counters = await countersFor(db, ids, scopeOf(context, 'deployments:read'));
        if (counters.size === 0) throw notFound('none of these deployments exists');
        return json(
          200,
          [...counters].map(([id, stats]) => ({ id, stats })),
        );
      },
    ),
  ];
}

const missing = { 400: { description: 'not a UUID' }, 404: { description: 'no such deployment' } };

function objectRoutes({ db, live }: DeploymentDeps): Route[] {
  return [
    route(
      {
        method: 'GET',
        path: `${path}/{id}`,
        access: 'deployments:read',
        confined: 'deployment',
        summary: 'A deployment',
        responses: { 200: { description: 'the deployment', body: Deployment }, ...missing },
      },
      async (context) => {
        const { id = '' } = context.params;
        const scope = scopeOf(context, 'deployments:read');
        const [deployment] = await deploymentsOf(db, [await findDeployment(db, checkUuid(id))], scope);
        return json(200, deployment);
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${path}/{id}/status`,
        access: 'deployments:manage',
        confined: 'deployment',
        summary: 'Abort a deployment',
        body: DeploymentChange,
        audit: 'deployment_abort',
        responses: {
          204: { description: 'aborted' },
          400: { description: 'another status than aborted' },
          422: { description: 'finished already, or unknown' },
        },
      },
      async (context) => {
        const { body, note } = context;
        const { status } = body;
        const id = checkUuid(context.params['id'] ?? '');
        note({ object: { type: 'deployment', id } });
        if (status !== 'aborted') throw badRequest('status: only "aborted" can be set');
        if (!(await reachesWholeDeployment(db, id, scopeOf(context, 'deployments:manage'))))
          throw forbidden(
            'the deployment is under way on devices outside of your groups too: abort it for single devices',
          );
        await abortDeployment(db, id);
        live.tell('deployment', { id, status: 'finished' });
        return empty();
      },
    ),
    route(
      {
        method: 'GET',
        path: `${path}/{id}/statistics`,
        access: 'deployments:read',
        confined: 'deployment',
        summary: 'Counters of a deployment',
        responses: { 200: { description: 'devices a status', body: Counters }, ...missing },
      },
      async (context) => {
        const { id: known } = await findDeployment(db, checkUuid(context.params['id'] ?? ''));
        return json(200, (await countersFor(db, [known], scopeOf(context, 'deployments:read'))).get(known));
      },
    ),
  ];
}

function partRoutes({ db }: DeploymentDeps): Route[] {
  const devices = { description: 'devices that have asked for it', body: Type.Array(DeploymentDevice) };
  return [
    route(
      {
        method: 'GET',
        path: `${path}/{id}/devices`,
        access: 'deployments:read',
        confined: 'deployment',
        summary: 'All devices of a deployment (deprecated: use devices/list)',
        responses: { 200: devices, ...missing },
      },
      async (context) => {
        const { id: known } = await findDeployment(db, checkUuid(context.params['id'] ?? ''));
        const scope = scopeOf(context, 'deployments:read');
        const { rows } = await listDevices(db, known, { statuses: undefined, scope });
        return json(200, await deviceEntriesOf(db, rows, scopeOf(context, 'releases:read')));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${path}/{id}/devices/list`,
        access: 'deployments:read',
        confined: 'deployment',
        summary: 'A page of the devices of a deployment',
        query: Type.Object({ ...PageQuery, status: Type.Optional(Text(64)) }),
        responses: { 200: devices, ...missing },
      },
      async (context) => {
        const { req, query } = context;
        const page = pageOf(query);
        const { id: known } = await findDeployment(db, checkUuid(context.params['id'] ?? ''));
        const filter = { statuses: statusFilter(query.status), scope: scopeOf(context, 'deployments:read') };
        const { rows, total } = await listDevices(db, known, filter, page);
        const entries = await deviceEntriesOf(db, rows, scopeOf(context, 'releases:read'));
        return json(200, entries, pageHeaders(req.originalUrl, page, { total }));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${path}/{id}/device_list`,
        access: 'deployments:read',
        confined: 'deployment',
        summary: 'Ids of the devices that a deployment was made for',
        responses: { 200: { description: 'ids', body: Type.Array(Type.String()) }, ...missing },
      },
      async (context) => {
        const { id: known } = await findDeployment(db, checkUuid(context.params['id'] ?? ''));
        return json(200, await targetsOf(db, known, scopeOf(context, 'deployments:read')));
      },
    ),
    route(
      {
        method: 'GET',
        path: `${path}/{id}/devices/{device}/log`,
        access: 'deployments:read',
        confined: 'device',
        summary: 'The log that a device sent of its failed deployment',
        responses: { 200: { description: 'a line each', type: 'text/plain' }, 404: { description: 'no log' } },
      },
      async ({ params: { id = '', device = '' } }) => {
        const messages = await findLog(db, id, device);
        if (messages === undefined) throw notFound('no log of this device in this deployment');
        return { status: 200, type: 'text/plain', body: logText(JSON.parse(messages) as LogLine[]) };
      },
    ),
  ];
}
