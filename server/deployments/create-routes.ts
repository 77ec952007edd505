import {
  deploymentsV1,
  deploymentsV2,
  NewDeployment,
  NewFilterDeployment,
  NewGroupDeployment,
} from '#proto/http/deployments';
import { badRequest } from '../errors.ts';
import { empty, type Route, route } from '../http/route.ts';
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
  return [
    route(
      {
        method: 'POST',
        path,
        access: 'deployments:manage',
        summary: 'Deploy a release to devices, or to all accepted ones',
        body: NewDeployment,
        audit: 'deployment_create',
        responses: created,
      },
      async ({ body, note }) => {
        const { name, artifact_name: artifactName, devices, all_devices: all = false } = body;
        note({ object: { type: 'deployment', id: '', name }, details: { artifact_name: artifactName } });
        const force = body.force_installation === true;
        if (all === (devices !== undefined && devices.length > 0))
          throw badRequest('Validating request body: either devices or all_devices must be given, and not both');
        const asked = { name, artifactName, force, ...(all ? { all } : { devices: [...new Set(devices)].sort() }) };
        const targets = [...new Set(all ? await acceptedDevices() : devices)];
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
        summary: 'Deploy a release to the accepted devices of a group',
        body: NewGroupDeployment,
        audit: 'deployment_create',
        responses: created,
      },
      async ({ params: { name: group = '' }, body, note }) => {
        const { name, artifact_name: artifactName } = body;
        note({ object: { type: 'deployment', id: '', name }, details: { artifact_name: artifactName, group } });
        if (body.devices !== undefined || body.all_devices !== undefined)
          throw badRequest('Validating request body: a deployment to a group takes no devices and no all_devices');
        const force = body.force_installation === true;
        const asked = { name, artifactName, force, group };
        const devices = await devicesOfGroup(group);
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
        summary: 'Deploy a release to the accepted devices that a saved filter finds now',
        body: NewFilterDeployment,
        audit: 'deployment_create',
        responses: { ...created, 404: { description: 'no such filter' } },
      },
      async ({ body, note }) => {
        const { name, artifact_name: artifactName, filter_id: filterId } = body;
        const details = { artifact_name: artifactName, filter: filterId };
        note({ object: { type: 'deployment', id: '', name }, details });
        const force = body.force_installation === true;
        const asked = { name, artifactName, force, filter: filterId };
        const { filter, devices } = await devicesOfFilter(filterId);
        return create({ name, artifactName, devices, groups: [], filter, force, asked }, (id) =>
          note({ object: { type: 'deployment', id, name }, details: { ...details, count: devices.length } }),
        );
      },
    ),
  ];
}
