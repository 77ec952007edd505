import { Type, type Static } from 'typebox';
import { Id, OneOf, Text, Timestamp } from './common.ts';

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

export interface ArtifactUpdate {
  type_info: { type: string | null };
  files: { name: string; checksum: string; size: number; date: string }[];
  metadata?: Record<string, unknown>;
}
/** A stored artifact as the API shows it. */
export interface Artifact {
  id: string;
  name: string;
  description: string;
  device_types_compatible: string[];
  info: { format: string; version: number };
  signed: boolean;
  updates: ArtifactUpdate[];
  artifact_provides: Record<string, string>;
  artifact_depends: Record<string, string | string[]>;
  clears_artifact_provides: string[];
  size: number;
  modified: string;
}
/** A release of the v2 API: all artifacts of one name. */
export interface Release {
  name: string;
  modified: string;
  artifacts: Artifact[];
  artifacts_count: number;
  tags: string[];
  notes: string;
}

export type DeploymentStatus = 'pending' | 'inprogress' | 'finished';
export interface Deployment {
  id: string;
  name: string;
  artifact_name: string;
  created: string;
  finished?: string;
  status: DeploymentStatus;
  type: 'software' | 'configuration';
  device_count: number;
  max_devices?: number;
  artifacts?: string[];
  groups?: string[];
  force_installation?: boolean;
  statistics: { status: Counters; total_size: number };
}
/** One device's part in a deployment. `id` is the device's. */
export interface DeploymentDevice {
  id: string;
  status: DeviceDeploymentStatus;
  created: string;
  started?: string;
  finished?: string;
  log: boolean;
  substate?: string;
  image?: Artifact;
}

export const NewDeployment = Type.Object({
  name: Text(256, 1),
  artifact_name: Text(4096, 1),
  devices: Type.Optional(Type.Array(Id, { maxItems: 100_000 })),
  all_devices: Type.Optional(Type.Boolean()),
  force_installation: Type.Optional(Type.Boolean()),
});
export type NewDeployment = Static<typeof NewDeployment>;

export const DownloadLink = Type.Object({ uri: Type.String(), expire: Timestamp, method: Type.Literal('GET') });
export type DownloadLink = Static<typeof DownloadLink>;
