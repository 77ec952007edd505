// What the server tells browsers over socket.io: names of things that changed, never session bytes. A page that gets one
// asks the REST API again for what it shows. Path `/api/live`; the token goes into `auth.token` of the handshake.
import type { DeviceStatus } from './devices.ts';
import type { DeploymentStatus } from './deployments.ts';

export const livePath = '/api/live';

export interface LiveEvents {
  /** A device appeared, or its authentication status changed; `gone`: it was decommissioned. */
  device: (event: { id: string; status: DeviceStatus | 'gone' }) => void;
  /** A device's socket came or went. */
  presence: (event: { id: string; connected: boolean }) => void;
  /** A device's inventory changed. */
  inventory: (event: { id: string }) => void;
  /** A deployment was made or one of its devices moved on. */
  deployment: (event: { id: string; status: DeploymentStatus; device?: string }) => void;
  /** An artifact was stored or removed. */
  release: (event: { name: string }) => void;
  /** Something of an add-on changed for a device. */
  addon: (event: { addon: string; id: string }) => void;
  /** A terminal or another session opened or ended on a device. */
  session: (event: { device: string; sid: string; open: boolean }) => void;
}
