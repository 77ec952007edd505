import {
  deploymentsV1,
  deploymentsV2,
  NewDeployment,
  NewFilterDeployment,
  NewGroupDeployment,
} from '#proto/http/deployments';
import { reachesRelease } from '../artifacts/tagged.ts';
import { badRequest, forbidden, unprocessable } from '../errors.ts';
import { type Context, empty, type Route, route, scopeOf } from '../http/route.ts';
import type { Scope } from '../http/rights.ts';
import { isMember } from '../inventory/membership.ts';
import type { Db } from '../store/store.ts';
import { createDeployment, type Plan } from './create.ts';
import type { DeploymentDeps } from './deps.ts';

const path = `${deploymentsV1}/deployments`;

const created = {
  201: { description: 'made; Location names it' },
  400: { description: 'bad body, or no device is meant by it' },
  409: { description: 'an identical deployment is active' },
  422: { description: 'no artifact of that name' },
};

export function createRoutes({
  db,
  live,
  activity,
  acceptedDevices,
  devicesOfGroup,
  devicesOfFilter,
}: DeploymentDeps): Route[] {
  const create = async (plan: Plan, note: (id: string) => void) => {
    const id = await createDeployment(db, plan);
    activity.changed();
    note(id);
    live.tell('deployment', { id, status: 'pending' });
    return empty(201, { Location: `${path}/${id}` });
  };
  /** Those of some devices that are in reach. */
  const within = async (devices: readonly string[], scope: Scope): Promise<readonly string[]> => {
    if (scope === 'all') return devices;
    const mine: string[] = [];
    for (const device of devices) if (await isMember(db, device, scope)) mine.push(device);
    return mine;
  };
  /** A release that one may not see is none (§2.2). */
  const checkRelease = async (context: Context, name: string): Promise<void> => {
    if (!(await reachesRelease(db, name, scopeOf(context, 'releases:read'))))
      throw unprocessable('No artifact for the deployment');
  };
  return [
    route(
      {
        method: 'POST',
        path,
        access: 'deployments:manage',
        confined: 'handler',
        summary: 'Deploy a release to devices, or to all accepted ones',
        body: NewDeployment,
        audit: 'deployment_create',
        responses: created,
      },
      async (context) => {
        const { body, note } = context;
        const { name, artifact_name: artifactName, devices, all_devices: all = false } = body;
        note({ object: { type: 'deployment', id: '', name }, details: { artifact_name: artifactName } });
        const force = body.force_installation === true;
        if (all === (devices !== undefined && devices.length > 0))
          throw badRequest('Validating request body: either devices or all_devices must be given, and not both');
        const scope = scopeOf(context, 'deployments:manage');
        // What "all" means to somebody who is confined is another deployment than what it means to others.
        const meant = scope === 'all' ? { all } : { all, within: scope };
        const asked = { name, artifactName, force, ...(all ? meant : { devices: [...new Set(devices)].sort() }) };
        const targets = [...new Set(all ? await acceptedDevices(scope) : devices)];
        if (!all) await checkTargets(db, targets, scope);
        await checkRelease(context, artifactName);
        return create({ name, artifactName, devices: targets, groups: [], force, asked }, (id) =>
          note({
            object: { type: 'deployment', id, name },
            details: { artifact_name: artifactName, all, count: targets.length },
          }),
        );
      },
    ),
    route(
      {
        method: 'POST',
        path: `${path}/group/{name}`,
        access: 'deployments:manage',
        confined: 'group',
        summary: 'Deploy a release to the accepted devices of a group',
        body: NewGroupDeployment,
        audit: 'deployment_create',
        responses: created,
      },
      async (context) => {
        const { body, note } = context;
        const { name: group = '' } = context.params;
        const { name, artifact_name: artifactName } = body;
        note({ object: { type: 'deployment', id: '', name }, details: { artifact_name: artifactName, group } });
        if (body.devices !== undefined || body.all_devices !== undefined)
          throw badRequest('Validating request body: a deployment to a group takes no devices and no all_devices');
        const force = body.force_installation === true;
        const asked = { name, artifactName, force, group };
        // A dynamic group of that name holds whom it finds, and his are those of the static one.
        const devices = await within(await devicesOfGroup(group), scopeOf(context, 'deployments:manage'));
        await checkRelease(context, artifactName);
        return create({ name, artifactName, devices, groups: [group], force, asked }, (id) =>
          note({ object: { type: 'deployment', id, name }, details: { artifact_name: artifactName, group } }),
        );
      },
    ),
    route(
      {
        method: 'POST',
        path: `${deploymentsV2}/deployments`,
        access: 'deployments:manage',
        confined: 'handler',
        summary: 'Deploy a release to the accepted devices that a saved filter finds now',
        body: NewFilterDeployment,
        audit: 'deployment_create',
        responses: { ...created, 404: { description: 'no such filter' } },
      },
      async (context) => {
        const { body, note } = context;
        const { name, artifact_name: artifactName, filter_id: filterId } = body;
        const details = { artifact_name: artifactName, filter: filterId };
        note({ object: { type: 'deployment', id: '', name }, details });
        const force = body.force_installation === true;
        const scope = scopeOf(context, 'deployments:manage');
        const asked = { name, artifactName, force, filter: filterId, ...(scope === 'all' ? {} : { within: scope }) };
        const { filter, devices: found } = await devicesOfFilter(filterId);
        const devices = await within(found, scope);
        await checkRelease(context, artifactName);
        return create({ name, artifactName, devices, groups: [], filter, force, asked }, (id) =>
          note({ object: { type: 'deployment', id, name }, details: { ...details, count: devices.length } }),
        );
      },
    ),
  ];
}

/** 403 for a device out of reach, or one that there is not: the answer does not tell which. */
async function checkTargets(db: Db, devices: readonly string[], scope: Scope): Promise<void> {
  if (scope === 'all') return;
  for (const device of devices)
    if (!(await isMember(db, device, scope)))
      throw forbidden(`device ${device} is not in a group that you may deploy to`);
}
