import { join } from 'node:path';
import type { Route } from './http/route.ts';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { livePath } from '#proto/http/live';
import type { ServerConfig } from './config.ts';
import { addonRoutes, builtIn } from './addons.ts';
import { createApp, healthRoute } from './app.ts';
import { removeOrphans } from './artifacts/removal.ts';
import { artifactRoutes } from './artifacts/routes.ts';
import { AuditLog } from './audit/audit.ts';
import { SessionAudit } from './audit/session.ts';
import { Retention } from './audit/retention.ts';
import { auditRoutes } from './audit/routes.ts';
import { openFolder } from './blobs/folder.ts';
import { Activity } from './deployments/activity.ts';
import { decommissionDevice } from './deployments/abort.ts';
import type { DeploymentDeps } from './deployments/deps.ts';
import { deploymentRoutes } from './deployments/routes.ts';
import { Devices } from './devices/devices.ts';
import { Register } from './devices/register.ts';
import { deviceRoutes } from './devices/routes.ts';
import { DeviceTokens } from './devices/tokens.ts';
import type { TokenVerifier } from './http/guard.ts';
import type { Frame } from './http/mount.ts';
import { webFolder } from './http/pages.ts';
import { inTime } from './http/deadline.ts';
import { quickly } from './http/quick.ts';
import { groupRoutes } from './inventory/group-routes.ts';
import { Inventory } from './inventory/inventory.ts';
import { inventoryRoutes } from './inventory/routes.ts';
import { tagRoutes, tagVersion } from './inventory/tags.ts';
import { addressOf } from './http/address.ts';
import { placesOf } from './live/places.ts';
import { liveSockets } from './live/socket.ts';
import { listen, makeServer } from './listen.ts';
import { Presence } from './presence/presence.ts';
import { presenceRoutes } from './presence/routes.ts';
import { LocalBus } from './relay/bus.ts';
import { deviceOf, personOf } from './relay/people.ts';
import { createRelay } from './relay/relay.ts';
import { sessionRoutes } from './relay/routes.ts';
import { referenceRoutes } from './reference/routes.ts';
import { openStore } from './store/store.ts';
import { loadKeys } from './tokens/keys.ts';
import { AccessTokens } from './users/access-tokens.ts';
import { Entry } from './users/entry.ts';
import { loginRoutes } from './users/login-routes.ts';
import { Logins } from './users/logins.ts';
import { ownRoutes } from './users/own-routes.ts';
import { Policies } from './users/policy.ts';
import { policyRoutes } from './users/policy-routes.ts';
import { reaches } from './users/reach.ts';
import { roleRoutes } from './users/role-routes.ts';
import { Roles } from './users/role-store.ts';
import { secondFactorRoutes } from './users/second-factor-routes.ts';
import { SecondFactors } from './users/second-factor.ts';
import { Settings } from './users/settings.ts';
import { Standing } from './users/standing.ts';
import { userRoutes } from './users/routes.ts';
import { Users } from './users/users.ts';

export interface RunningServer {
  readonly port: number;
  /** All that it answers to. */
  readonly routes: readonly Route[];
  /** Ends sessions and requests in order; what does not end by itself is cut after a few seconds. */
  close(): Promise<void>;
}

const graceMs = 5000;
/** Of the API's description; the package's own version says what is installed. */
const version = '1';

/** Wires one server process and starts it. Throws in words for a person: data folder, port, certificate. */
export async function startServer(config: ServerConfig, log: Log): Promise<RunningServer> {
  const server = makeServer(config.tls);
  const db = await openStore(config.data);
  try {
    const keys = await loadKeys(db);
    const verify: TokenVerifier = { user: (token) => logins.verify(token), device: (token) => tokens.verify(token) };
    const live = liveSockets(server, verify, (event, data) => placesOf(db, { event, data }), log);
    const audit = new AuditLog(db);
    const sessionAudit = new SessionAudit(db, audit);
    const tokens = new DeviceTokens(db, keys);
    const presence = new Presence(db, live);
    const inventory = new Inventory(db, live);
    const failed = (what: string) => (error: unknown) => log.error(what, { error: messageOf(error) });
    const bus = new LocalBus();
    const relay = createRelay({
      bus,
      log,
      authenticateDevice: (req) => deviceOf(req, verify),
      authorizeUser: (req, deviceId) => personOf(req, deviceId, verify, db),
      addressOf: (req) => addressOf(req, config.trustedProxies),
      onConnected: (id, connection) => void presence.connected(id, connection).catch(failed('presence not written')),
      onDisconnected: (id, connection) =>
        void presence.disconnected(id, connection).catch(failed('presence not written')),
      async audit(event) {
        await sessionAudit.write(event);
        live.tell('session', { device: event.session.deviceId, sid: event.session.sid, open: event.type === 'opened' });
      },
    });
    const standing = new Standing({ db, live, relay, logins: () => logins });
    const roles = new Roles(db);
    const policies = new Policies(db);
    const logins = new Logins({ db, keys, roles, policies }, (userId, tokenIds) =>
      standing.loginsEnded(userId, tokenIds),
    );
    const factors = new SecondFactors(db);
    const entry = new Entry(db, logins, factors);
    const users = new Users(db, {
      rightsChanged: (userId) => standing.rightsChanged(userId),
      passwordChanged: (userId, keepToken) => logins.endOthers(userId, keepToken),
    });
    const people = { users, roles, logins, entry, factors, policies };
    const policyChanged = async (): Promise<void> => {
      await standing.policyChanged();
      await retention.run();
    };
    const retention = new Retention(db, audit, policies, log);
    const register = new Register(db);
    const accessTokens = new AccessTokens(db, keys, logins);
    const devices = new Devices(db, live, {
      revoked(deviceId) {
        tokens.forget(deviceId);
        relay.disconnectDevice(deviceId, 'no longer accepted');
      },
      decommissioned: (deviceId) => decommissionDevice({ db, live }, deviceId),
    });
    await presence.reset();
    retention.start();
    await sessionAudit.recover();
    await devices.resume();
    const blobs = await openFolder(join(config.data, 'artifacts'));
    const orphans = await removeOrphans(db, blobs);
    if (orphans > 0) log.info('artifacts without an owner removed', { count: orphans });
    const deployments: DeploymentDeps = {
      db,
      activity: new Activity({ alone: true }),
      blobs,
      live,
      log,
      linkSecret: keys.linkSecret,
      publicUrl: (req) => config.publicUrl ?? `${req.protocol}://${req.get('host') ?? ''}`,
      limits: { artifactSize: config.artifactLimit },
      acceptedDevices: (scope) => register.accepted(scope),
      devicesOfGroup: (group) => inventory.acceptedMembers(group),
    };

    const routes: Route[] = [
      healthRoute(db),
      ...userRoutes(people),
      ...ownRoutes(users, new Settings(db), accessTokens, () => standing.policyChanged()),
      ...loginRoutes(people),
      ...secondFactorRoutes(people),
      ...roleRoutes(roles, async (userIds) => {
        for (const userId of userIds) await standing.rightsChanged(userId);
      }),
      ...policyRoutes(policies, policyChanged),
      ...auditRoutes(audit),
      ...deviceRoutes(devices, register, tokens),
      ...inventoryRoutes(inventory, (id) => tagVersion(db, id)),
      ...groupRoutes(inventory),
      ...tagRoutes(db, live),
      ...presenceRoutes(presence, relay),
      ...sessionRoutes(relay, db),
      ...(await addonRoutes(builtIn, bus, log)),
      ...artifactRoutes(deployments),
      ...deploymentRoutes(deployments),
      ...referenceRoutes(() => routes, version),
    ];
    const frame: Frame = {
      verify,
      log,
      reaches: (kind, id, scope) => reaches(db, kind, id, scope),
      audit: (record) => audit.record(record),
    };
    const app = createApp(routes, frame, log, {
      trustedProxies: config.trustedProxies,
      webFolder: webFolder(),
    });
    server.on('request', inTime(quickly(routes, frame, (req, res) => void app(req, res))));
    server.on('upgrade', (req, socket, head) => {
      // socket.io takes its own path; whatever is neither's is closed.
      if (!relay.handleUpgrade(req, socket, head) && !req.url?.startsWith(livePath)) socket.destroy();
    });
    const port = await listen(server, config.host, config.port);
    if ((await users.count()) === 0)
      log.warn('nobody can log in yet: make a user with "patchbay user add"', { data: config.data });
    return {
      port,
      routes,
      async close() {
        const cut = setTimeout(() => server.closeAllConnections(), graceMs);
        await retention.stop();
        relay.close();
        await live.close();
        server.closeIdleConnections();
        await new Promise<void>((resolve) => void server.close(() => resolve()));
        clearTimeout(cut);
        await db.destroy();
      },
    };
  } catch (error) {
    await db.destroy();
    throw error;
  }
}
