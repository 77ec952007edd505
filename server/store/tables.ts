import type { DeploymentTables } from './tables/deployments.ts';
import type { DeviceTables } from './tables/devices.ts';
import type { IntegrationTables } from './tables/integrations.ts';
import type { PeopleTables } from './tables/people.ts';
import type { RecordTables } from './tables/records.ts';
import type { ReleaseTables } from './tables/releases.ts';

// Times are RFC 3339 UTC text with milliseconds: they sort as they read, on both databases. Structures are JSON text.
// Booleans are 0 and 1.

/** Keys and secrets of the server itself. */
export interface Secrets {
  name: string;
  value: string;
}

/** All tables of the server itself; those of add-ons are theirs to know. */
export interface Database
  extends DeviceTables, PeopleTables, ReleaseTables, DeploymentTables, RecordTables, IntegrationTables {
  secrets: Secrets;
}
