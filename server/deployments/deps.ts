import type { ArtifactDeps } from '../artifacts/deps.ts';
import type { Scope } from '../http/rights.ts';
import type { Activity } from './activity.ts';

/** What the deployments slice is given. */
export interface DeploymentDeps extends ArtifactDeps {
  readonly activity: Activity;
  /** Ids of all accepted devices in reach. */
  readonly acceptedDevices: (scope: Scope) => Promise<string[]>;
  /** Ids of the accepted devices of a group; none if there is no such group. */
  readonly devicesOfGroup: (name: string) => Promise<string[]>;
}
