import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { Type } from 'typebox';
import { artifactBytes } from '#artifact';
import { Text } from '#proto/http/conventions';
import type { NextDeployment } from '#proto/http/device';
import { artifactType, sendFile } from '../artifacts/download.ts';
import { checkLink, linkLife, signLink } from '../artifacts/link.ts';
import type { Range } from '#base/range';
import { notFound } from '../errors.ts';
import { type Reply, type Route, route } from '../http/route.ts';
import type { Deployments } from '../store/tables/deployments.ts';
import { insertDeployment } from './create.ts';
import type { DeploymentDeps } from './deps.ts';
import { findDevice } from './store.ts';

const path = '/api/devices/v1/deployments/download/configuration';
/** Before the parameters of these links, as the reference has it (`server-api.md` §1.5). */
const prefix = 'x-men-';
const key = 'data-partition.mender-configure';

/**
 * Deploys a configuration to one device (`server-api.md` §3.8); the deployment's id. The artifact is made when the device
 * downloads it. Whoever calls this has checked keys and values; of those called `secrets` nothing is ever shown.
 */
export async function deployConfiguration(
  { db, live, activity }: Pick<DeploymentDeps, 'db' | 'live' | 'activity'>,
  deviceId: string,
  configuration: Readonly<Record<string, string>>,
  secrets: readonly string[] = [],
): Promise<string> {
  const id = randomUUID();
  const name = `configuration-${id}`;
  await db.transaction().execute((trx) =>
    insertDeployment(trx, [deviceId], {
      id,
      name,
      artifact_name: name,
      artifacts: '[]',
      type: 'configuration',
      force_installation: 0,
      groups: '[]',
      filter: null,
      configuration: JSON.stringify(configuration),
      secret_settings: JSON.stringify(secrets),
      // The same configuration may be deployed again while the last is under way.
      constructor_hash: id,
    }),
  );
  activity.changed();
  live.tell('deployment', { id, status: 'pending' });
  return id;
}

interface Target {
  readonly deployment: Pick<Deployments, 'id' | 'artifact_name'>;
  readonly device: string;
  readonly deviceType: string;
}

/** What a device is told to do with a configuration. */
export function configurationInstructions(
  secret: Buffer,
  origin: string,
  { deployment, device, deviceType }: Target,
): NextDeployment {
  const source = signLink(secret, origin, pathOf(deployment.id, deviceType, device), linkLife.user, { prefix });
  return {
    id: deployment.id,
    artifact: {
      // There is no stored artifact: the reference puts the two ids together.
      id: deployment.id + device,
      artifact_name: deployment.artifact_name,
      source,
      device_types_compatible: [deviceType],
    },
  };
}

const pathOf = (...parts: readonly string[]): string =>
  [path, ...parts.map((part) => encodeURIComponent(part.toWellFormed()))].join('/');

/** `GET|HEAD …/download/configuration/…`: the artifact of a configuration, made on the spot. */
export function configurationRoute({ db, linkSecret, log }: DeploymentDeps): Route {
  return route(
    {
      method: 'GET',
      path: `${path}/{deployment}/{type}/{device}`,
      access: 'public',
      summary: 'Download a configuration by a signed link',
      query: Type.Object({
        'x-men-expire': Type.Optional(Text(64)),
        'x-men-signature': Type.Optional(Text(128)),
      }),
      responses: {
        200: { description: 'the artifact', type: artifactType },
        206: { description: 'the part that was asked for', type: artifactType },
        400: { description: 'no signed link' },
        403: { description: 'expired, or not signed by this server' },
        404: { description: 'no such deployment of this device' },
        416: { description: 'nothing there to send' },
      },
    },
    async ({ req, res, params: { deployment: id = '', type = '', device = '' }, query }): Promise<Reply> => {
      const link = { expire: query['x-men-expire'], signature: query['x-men-signature'] };
      checkLink(linkSecret, pathOf(id, type, device), link);
      const row = await db.selectFrom('deployments').selectAll().where('id', '=', id).executeTakeFirst();
      if (!row?.configuration || !(await findDevice(db, id, device)))
        throw notFound(`no configuration of this device in deployment ${id}`);
      const configuration = JSON.parse(row.configuration) as Record<string, string>;
      const bytes = await configurationArtifact(row.artifact_name, type, configuration);
      const file = { name: `${row.artifact_name}.mender`, etag: `"${id}"`, size: bytes.length };
      const open = async (range: Range) => Readable.from([bytes.subarray(range.start, range.end + 1)]);
      await sendFile({ req, res, log }, { ...file, open });
      return 'streamed';
    },
  );
}

/** The same configuration gives the same bytes: a device may resume it. */
export const configurationArtifact = (
  name: string,
  deviceType: string,
  configuration: Readonly<Record<string, string>>,
): Promise<Buffer> =>
  artifactBytes({
    name,
    depends: { device_type: [deviceType] },
    payload: {
      type: 'mender-configure',
      provides: { [`${key}.version`]: name },
      depends: {},
      clears: [`${key}.*`],
      metaData: configuration,
      files: [],
    },
    compression: 'none',
  });
