import type { SavedFilter } from '#proto/http/groups';
import type { ArtifactDeps } from '../artifacts/deps.ts';
import type { Scope } from '../http/rights.ts';
import type { Activity } from './activity.ts';

/** What the deployments slice is given. */
export interface DeploymentDeps extends ArtifactDeps {
  readonly activity: Activity;
  /** Ids of all accepted devices in reach. */
  readonly acceptedDevices: (scope: Scope) => Promise<string[]>;
  /** Ids of the accepted devices of a group, static or dynamic; none if there is no such group. */
  readonly devicesOfGroup: (name: string) => Promise<string[]>;
  /** A saved filter, and the ids of the accepted devices that it finds. Throws 404 for an unknown one. */
  readonly devicesOfFilter: (id: string) => Promise<{ filter: SavedFilter; devices: string[] }>;
}
