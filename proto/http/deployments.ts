import { Type, type Static } from 'typebox';
import { Id, Nullable, OneOf, Text, Timestamp } from './conventions.ts';
import { SavedFilter } from './groups.ts';

export { deploymentsV1, deploymentsV2 } from './paths.ts';

/** What one device's part in a deployment can be: the counters of `statistics.status`. */
export const deviceDeploymentStatuses = [
  'pending',
  'downloading',
  'installing',
  'rebooting',
  'pause_before_installing',
  'pause_before_rebooting',
  'pause_before_committing',
  'success',
  'failure',
  'noartifact',
  'already-installed',
  'aborted',
  'decommissioned',
] as const;
export type DeviceDeploymentStatus = (typeof deviceDeploymentStatuses)[number];
export const DeviceDeploymentStatus = OneOf(deviceDeploymentStatuses);

/** Statuses after which a device has nothing more to do in a deployment. */
export const finalStatuses: ReadonlySet<DeviceDeploymentStatus> = new Set([
  'success',
  'failure',
  'noartifact',
  'already-installed',
  'aborted',
  'decommissioned',
]);

export type Counters = Record<DeviceDeploymentStatus, number>;
export const Counters = Type.Record(Type.String(), Type.Integer());

/** One payload of an artifact. */
export const ArtifactUpdate = Type.Object({
  type_info: Type.Object({ type: Nullable(Type.String()) }),
  files: Type.Array(
    Type.Object({ name: Type.String(), checksum: Type.String(), size: Type.Integer(), date: Timestamp }),
  ),
  metadata: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
});
export type ArtifactUpdate = Static<typeof ArtifactUpdate>;

/** A stored artifact as the API shows it. */
export const Artifact = Type.Object({
  id: Id,
  name: Type.String(),
  description: Type.String(),
  device_types_compatible: Type.Array(Type.String()),
  info: Type.Object({ format: Type.String(), version: Type.Integer() }),
  signed: Type.Boolean(),
  updates: Type.Array(ArtifactUpdate),
  artifact_provides: Type.Record(Type.String(), Type.String()),
  artifact_depends: Type.Record(Type.String(), Type.Union([Type.String(), Type.Array(Type.String())])),
  clears_artifact_provides: Type.Array(Type.String()),
  /** Bytes. */
  size: Type.Integer(),
  modified: Timestamp,
});
export type Artifact = Static<typeof Artifact>;

/** A release of the v2 API: all artifacts of one name. */
export const Release = Type.Object({
  name: Type.String(),
  modified: Timestamp,
  artifacts: Type.Array(Artifact),
  artifacts_count: Type.Integer(),
  tags: Type.Array(Type.String()),
  notes: Type.String(),
});
export type Release = Static<typeof Release>;

/** The same in the v1 API, whose spelling differs. */
export const ReleaseV1 = Type.Object({
  Name: Type.String(),
  Modified: Timestamp,
  Artifacts: Type.Array(Artifact),
  ArtifactsCount: Type.Integer(),
  tags: Type.Array(Type.String()),
  notes: Type.String(),
});
export type ReleaseV1 = Static<typeof ReleaseV1>;

/** A release without its artifacts, in the v1alpha1 API. */
export const Software = Type.Object({
  name: Type.String(),
  modified: Timestamp,
  tags: Type.Array(Type.String()),
  notes: Type.String(),
  kind: OneOf(['release', 'manifest'] as const),
  compatible_types: Type.Array(Type.String()),
});
export type Software = Static<typeof Software>;

/** Tags are lower-cased and each given once (`server-api.md` §2.3). */
export const ReleaseTags = Type.Array(Type.String({ minLength: 1, maxLength: 1024, pattern: '^[A-Za-z0-9._-]+$' }), {
  maxItems: 20,
});
export type ReleaseTags = Static<typeof ReleaseTags>;
export const ReleaseChange = Type.Object({ notes: Type.Optional(Text(1024)) });
export type ReleaseChange = Static<typeof ReleaseChange>;
export const ArtifactChange = Type.Object({ description: Type.Optional(Text(4096)) });
export type ArtifactChange = Static<typeof ArtifactChange>;

export const deploymentStatuses = ['pending', 'inprogress', 'finished'] as const;
export type DeploymentStatus = (typeof deploymentStatuses)[number];
export const DeploymentStatus = OneOf(deploymentStatuses);

export const Deployment = Type.Object({
  id: Id,
  name: Type.String(),
  artifact_name: Type.String(),
  created: Timestamp,
  finished: Type.Optional(Timestamp),
  status: DeploymentStatus,
  type: OneOf(['software', 'configuration'] as const),
  /** Devices that have asked for it so far. */
  device_count: Type.Integer(),
  /** Devices that it was made for. */
  max_devices: Type.Optional(Type.Integer()),
  artifacts: Type.Optional(Type.Array(Id)),
  groups: Type.Optional(Type.Array(Type.String())),
  filter: Type.Optional(SavedFilter),
  force_installation: Type.Optional(Type.Boolean()),
  /** Base64 of a JSON object; of each value only the beginning. */
  configuration: Type.Optional(Type.String()),
  statistics: Type.Object({ status: Counters, total_size: Type.Integer() }),
});
export type Deployment = Omit<Static<typeof Deployment>, 'statistics'> & {
  statistics: { status: Counters; total_size: number };
};

/** One device's part in a deployment. `id` is the device's. */
export const DeploymentDevice = Type.Object({
  id: Id,
  status: DeviceDeploymentStatus,
  created: Timestamp,
  started: Type.Optional(Timestamp),
  finished: Type.Optional(Timestamp),
  /** Taken out of the device's history. */
  deleted: Type.Optional(Timestamp),
  log: Type.Boolean(),
  /** What the device says of its status; the server's reason where that is `noartifact`. */
  substate: Type.Optional(Type.String()),
  image: Type.Optional(Artifact),
});
export type DeploymentDevice = Static<typeof DeploymentDevice>;

/** An entry of a device's history. `id` is unique to the pair. */
export const DeviceHistoryEntry = Type.Object({ id: Type.String(), deployment: Deployment, device: DeploymentDevice });
export type DeviceHistoryEntry = { id: string; deployment: Deployment; device: DeploymentDevice };

export const NewDeployment = Type.Object({
  name: Text(256, 1),
  artifact_name: Text(4096, 1),
  devices: Type.Optional(Type.Array(Id, { maxItems: 100_000 })),
  all_devices: Type.Optional(Type.Boolean()),
  force_installation: Type.Optional(Type.Boolean()),
});
export type NewDeployment = Static<typeof NewDeployment>;

export const NewGroupDeployment = Type.Object({
  name: Text(256, 1),
  artifact_name: Text(4096, 1),
  devices: Type.Optional(Type.Unknown()),
  all_devices: Type.Optional(Type.Unknown()),
  force_installation: Type.Optional(Type.Boolean()),
});
export type NewGroupDeployment = Static<typeof NewGroupDeployment>;

/** Of version 2: to the accepted devices that a saved filter finds (`server-api.md` §4.1). */
export const NewFilterDeployment = Type.Object({
  name: Text(256, 1),
  artifact_name: Text(4096, 1),
  filter_id: Id,
  force_installation: Type.Optional(Type.Boolean()),
});
export type NewFilterDeployment = Static<typeof NewFilterDeployment>;

export const DeploymentChange = Type.Object({ status: Text(64) });
export type DeploymentChange = Static<typeof DeploymentChange>;
export const StatisticsList = Type.Object({ deployment_ids: Type.Array(Id, { maxItems: 100 }) });
export type StatisticsList = Static<typeof StatisticsList>;

export const DownloadLink = Type.Object({ uri: Type.String(), expire: Timestamp, method: Type.Literal('GET') });
export type DownloadLink = Static<typeof DownloadLink>;
