import { artifactRoutes } from './artifacts/routes.ts';
import type { AuditLog } from './audit/audit.ts';
import { auditRoutes } from './audit/routes.ts';
import type { DeploymentDeps } from './deployments/deps.ts';
import { deploymentRoutes } from './deployments/routes.ts';
import type { Devices } from './devices/devices.ts';
import type { Register } from './devices/register.ts';
import { deviceRoutes } from './devices/routes.ts';
import type { DeviceTokens } from './devices/tokens.ts';
import { healthRoutes, type Readiness } from './health.ts';
import type { Route } from './http/route.ts';
import { groupRoutes } from './inventory/group-routes.ts';
import type { Groups } from './inventory/groups.ts';
import { identitySearchRoute } from './inventory/identity-search.ts';
import type { Inventory } from './inventory/inventory.ts';
import { filterRoutes, ownGroupRoutes } from './inventory/own-group-routes.ts';
import { inventoryRoutes } from './inventory/routes.ts';
import { tagRoutes, tagVersion } from './inventory/tags.ts';
import type { Integrations } from './iot-manager/integrations.ts';
import type { Outbound } from './iot-manager/outbound.ts';
import { iotManagerRoutes } from './iot-manager/routes.ts';
import type { Presence } from './presence/presence.ts';
import { presenceRoutes } from './presence/routes.ts';
import type { Recordings } from './recordings/recordings.ts';
import { recordingRoutes } from './recordings/routes.ts';
import { referenceRoutes } from './reference/routes.ts';
import type { Relay } from './relay/relay.ts';
import { sessionRoutes } from './relay/routes.ts';
import type { AccessTokens } from './users/access-tokens.ts';
import { loginRoutes } from './users/login-routes.ts';
import { ownRoutes } from './users/own-routes.ts';
import { policyRoutes } from './users/policy-routes.ts';
import { roleRoutes } from './users/role-routes.ts';
import { userRoutes } from './users/routes.ts';
import { type FactorDeps, secondFactorRoutes } from './users/second-factor-routes.ts';
import { Settings } from './users/settings.ts';
import type { Standing } from './users/standing.ts';

/** Of the API's description; the package's own version says what is installed. */
const version = '1';

/** What stands behind the routes. */
export interface Services {
  readonly deployments: DeploymentDeps;
  readonly readiness: Readiness;
  readonly people: FactorDeps;
  readonly accessTokens: AccessTokens;
  readonly standing: Standing;
  readonly audit: AuditLog;
  readonly devices: Devices;
  readonly register: Register;
  readonly tokens: DeviceTokens;
  readonly inventory: Inventory;
  readonly groups: Groups;
  readonly presence: Presence;
  readonly relay: Relay;
  readonly recordings: Recordings;
  readonly integrations: Integrations;
  readonly outbound: Outbound;
  readonly ofAddons: readonly Route[];
  /** What is decided for everybody has changed. */
  policyChanged(): Promise<void>;
}

/** All that a server answers to. The first that a path fits is taken. */
export function routesOf(services: Services): Route[] {
  const { deployments, people, standing, register, inventory, groups, relay } = services;
  const { db, live } = deployments;
  const routes: Route[] = [
    ...healthRoutes(db, services.readiness),
    ...userRoutes(people),
    ...ownRoutes(people.users, new Settings(db), services.accessTokens, () => standing.policyChanged()),
    ...loginRoutes(people),
    ...secondFactorRoutes(people),
    ...roleRoutes(people.roles, async (userIds) => {
      for (const userId of userIds) await standing.rightsChanged(userId);
    }),
    ...policyRoutes(people.policies, () => services.policyChanged()),
    ...auditRoutes(services.audit),
    ...deviceRoutes(services.devices, register, services.tokens),
    ...inventoryRoutes(inventory, (id) => tagVersion(db, id)),
    ...groupRoutes(inventory),
    identitySearchRoute(inventory),
    ...ownGroupRoutes(groups, inventory),
    ...filterRoutes(groups, inventory),
    ...tagRoutes(db, live),
    ...presenceRoutes(services.presence, relay),
    ...sessionRoutes(relay, db),
    ...recordingRoutes(services.recordings),
    ...services.ofAddons,
    ...artifactRoutes(deployments),
    ...deploymentRoutes(deployments),
    ...iotManagerRoutes(services.integrations, services.outbound, (id) => register.has(id)),
    ...referenceRoutes(() => routes, version),
  ];
  return routes;
}
