import { type Static, Type } from 'typebox';
import { Text } from '#proto/http/conventions';
import { DeploymentLog, NextDeployment, NextV1, NextV2, StatusReport } from '#proto/http/device';
import { artifactDownloadPath, linkLife, signLink } from '../artifacts/link.ts';
import { badRequest, HttpError } from '../errors.ts';
import { type Caller, callerId, type Context, empty, json, type Reply, type Route, route } from '../http/route.ts';
import type { Asker } from './choose.ts';
import { configurationInstructions, configurationRoute } from './configuration.ts';
import type { DeploymentDeps } from './deps.ts';
import { isTime } from './log-text.ts';
import { idleQuery, nextFor, takeUp } from './next.ts';
import { takeLog, takeReport } from './report.ts';

const v1 = '/api/devices/v1/deployments/device/deployments';
const v2 = '/api/devices/v2/deployments/device/deployments';

/** The device API of deployments (`server-api.md` §1.2 to §1.4). */
export function deviceRoutes(deps: DeploymentDeps): Route[] {
  return [...nextRoutes(deps), ...reportRoutes(deps), configurationRoute(deps)];
}

function nextRoutes(deps: DeploymentDeps): Route[] {
  const look = idleQuery(deps.db);
  // What the device says is looked at too: a poll that says it wrong is told so, whether there is work or not.
  const idle = (caller: Caller, _asker: Asker): boolean | Promise<boolean> =>
    deps.activity.isIdle(callerId({ caller }), look);
  const answer = async ({ req, caller }: Pick<Context, 'req' | 'caller'>, asker: Asker): Promise<Reply> => {
    const device = callerId({ caller });
    const deploymentId = await nextFor(deps.db, device);
    return deploymentId === undefined ? empty() : instruct(deps, req, { deploymentId, device, asker });
  };
  const responses = {
    200: { description: 'what to do', body: NextDeployment },
    204: { description: 'nothing to do' },
    400: { description: 'artifact_name or device_type is missing' },
    409: { description: 'asked otherwise than before; this deployment has failed' },
  };
  const spec = { access: 'device', responses } as const;
  return [
    route(
      { ...spec, method: 'GET', path: `${v1}/next`, summary: 'What is to be done next', query: NextQuery },
      (context) => answer(context, askerOfQuery(context.query)),
      ({ caller, query }) => idle(caller, askerOfQuery(query)),
    ),
    route(
      {
        ...spec,
        method: 'POST',
        path: `${v1}/next`,
        summary: 'What is to be done next, for a device that says all it provides',
        body: NextV1,
      },
      (context) => answer(context, askerOfV1(context.body)),
      ({ caller, body }) => idle(caller, askerOfV1(body)),
    ),
    route(
      {
        ...spec,
        method: 'POST',
        path: `${v2}/next`,
        summary: 'What is to be done next, for a device that says all it provides, type and name among it',
        body: NextV2,
      },
      (context) => answer(context, askerOfV2(context.body)),
      ({ caller, body }) => idle(caller, askerOfV2(body)),
    ),
  ];
}

const NextQuery = Type.Object({ artifact_name: Type.Optional(Text(4096)), device_type: Type.Optional(Text(4096)) });

const askerOfQuery = ({ artifact_name = '', device_type = '' }: Static<typeof NextQuery>): Asker =>
  checked({ artifactName: artifact_name, deviceType: device_type });

const askerOfV1 = ({ artifact_name, device_type, artifact_provides: provides }: NextV1): Asker =>
  checked({ artifactName: artifact_name, deviceType: device_type, ...(provides ? { provides } : {}) });

function askerOfV2({ device_provides: { device_type = '', artifact_name = '', ...provides } }: NextV2): Asker {
  return checked({ artifactName: artifact_name, deviceType: device_type, provides });
}

function checked(asker: Asker): Asker {
  checkLength('artifact_name', asker.artifactName);
  checkLength('device_type', asker.deviceType);
  return asker;
}

function checkLength(name: string, value: string): void {
  if (value.length < 1 || value.length > 4096) throw badRequest(`${name}: must have 1 to 4096 characters`);
}

async function instruct(
  { db, blobs, live, log, linkSecret, publicUrl }: DeploymentDeps,
  req: Context['req'],
  { deploymentId, device, asker }: { deploymentId: string; device: string; asker: Asker },
): Promise<Reply> {
  const instructions = await takeUp(db, deploymentId, device, asker, (deployment) =>
    live.tell('deployment', { ...deployment, device }),
  );
  if (!instructions) return empty();
  const { deployment, artifact } = instructions;
  const origin = publicUrl(req);
  if (!artifact)
    return json(
      200,
      configurationInstructions(linkSecret, origin, { deployment, device, deviceType: asker.deviceType }),
    );
  const { id, name, device_types_compatible } = artifact;
  if ((await blobs.size(id)) === undefined) {
    log.error('artifact is missing from storage', { artifact: id, deployment: deploymentId });
    throw new HttpError('unavailable', `artifact ${id} is missing from the server's storage`);
  }
  const source = signLink(linkSecret, origin, `${artifactDownloadPath}/${id}`, linkLife.device);
  return json(200, { id: deploymentId, artifact: { id, artifact_name: name, source, device_types_compatible } });
}

function reportRoutes({ db, live, activity }: DeploymentDeps): Route[] {
  return [
    route(
      {
        method: 'PUT',
        path: `${v1}/{id}/status`,
        access: 'device',
        summary: 'How far the device is',
        body: StatusReport,
        responses: {
          204: { description: 'noted' },
          400: { description: 'not a status that a device may report' },
          404: { description: 'the device is not in that deployment' },
          409: { description: 'aborted: stop and roll back' },
        },
      },
      async (context) => {
        const { id = '' } = context.params;
        const device = callerId(context);
        const reported = await takeReport(db, id, device, context.body);
        if (reported?.again) activity.changed();
        if (reported) live.tell('deployment', { id, status: reported.deployment, device });
        return empty();
      },
    ),
    route(
      {
        method: 'PUT',
        path: `${v1}/{id}/log`,
        access: 'device',
        summary: 'The log of a deployment that failed',
        body: DeploymentLog,
        responses: {
          204: { description: 'stored' },
          400: { description: 'no messages, or an incomplete one' },
          404: { description: 'the device is not in that deployment' },
          413: { description: 'larger than 1 MiB' },
        },
      },
      async (context) => {
        const { id = '' } = context.params;
        const { messages } = context.body;
        const wrong = messages.findIndex(({ timestamp }) => !isTime(timestamp));
        if (wrong >= 0) throw badRequest(`messages/${wrong}/timestamp: must be a time by RFC 3339`);
        const kept = messages.map(({ timestamp, level, message }) => ({ timestamp, level, message }));
        const device = callerId(context);
        const status = await takeLog(db, id, device, kept);
        live.tell('deployment', { id, status, device });
        return empty();
      },
    ),
  ];
}
