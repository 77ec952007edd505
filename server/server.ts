import { join } from 'node:path';
import type { Route } from './http/route.ts';
import type { Blame } from '#base/blame';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { livePath } from '#proto/http/live';
import type { ServerConfig } from './config.ts';
import { loadAddons } from './addons.ts';
import { createApp, healthRoute } from './app.ts';
import { removeOrphans } from './artifacts/removal.ts';
import { artifactRoutes } from './artifacts/routes.ts';
import { AuditLog } from './audit/audit.ts';
import { SessionAudit } from './audit/session.ts';
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
import { ownRoutes } from './users/own-routes.ts';
import { Settings } from './users/settings.ts';
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
export async function startServer(config: ServerConfig, log: Log, blame?: Blame): Promise<RunningServer> {
  const server = makeServer(config.tls);
  const db = await openStore(config.data);
  try {
    const keys = await loadKeys(db);
    const verify: TokenVerifier = { user: (token) => users.verify(token), device: (token) => tokens.verify(token) };
    const live = liveSockets(server, verify);
    const audit = new AuditLog(db);
    const sessionAudit = new SessionAudit(db, audit);
    const tokens = new DeviceTokens(db, keys);
    const presence = new Presence(db, live);
    const inventory = new Inventory(db, live);
    const failed = (what: string) => (error: unknown) => log.error(what, { error: messageOf(error) });
    const bus = new LocalBus();
    const addons = await loadAddons({ names: config.addons, beside: config.addonsBeside, bus, log, blame });
    const relay = createRelay({
      bus,
      log,
      authenticateDevice: (req) => deviceOf(req, verify),
      authorizeUser: (req, deviceId) =>
        personOf(req, deviceId, verify, db, (proto) => addons.speaker(proto)?.sessions ?? 'sessions:terminal'),
      speaker: (proto) => addons.speaker(proto),
      onConnected: (id, connection) => void presence.connected(id, connection).catch(failed('presence not written')),
      onDisconnected: (id, connection) =>
        void presence.disconnected(id, connection).catch(failed('presence not written')),
      async audit(event) {
        await sessionAudit.write(event);
        live.tell('session', { device: event.session.deviceId, sid: event.session.sid, open: event.type === 'opened' });
      },
    });
    const users = new Users(db, keys, (userId, tokenId) => {
      live.disconnectUser(userId);
      relay.disconnectUser(userId, 'your login has ended or your rights have changed', tokenId);
    });
    const register = new Register(db);
    const accessTokens = new AccessTokens(db, keys, (userId, tokenId) => users.tokenRevoked(userId, tokenId));
    const devices = new Devices(db, live, {
      revoked(deviceId) {
        tokens.forget(deviceId);
        relay.disconnectDevice(deviceId, 'no longer accepted');
      },
      decommissioned: (deviceId) => decommissionDevice({ db, live }, deviceId),
    });
    await presence.reset();
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
      acceptedDevices: () => register.accepted(),
      devicesOfGroup: (group) => inventory.acceptedMembers(group),
    };

    const routes: Route[] = [
      healthRoute(db),
      ...userRoutes(users),
      ...ownRoutes(users, new Settings(db), accessTokens),
      ...auditRoutes(audit),
      ...deviceRoutes(devices, register, tokens),
      ...inventoryRoutes(inventory, (id) => tagVersion(db, id)),
      ...groupRoutes(inventory),
      ...tagRoutes(db, live),
      ...presenceRoutes(presence, relay),
      ...sessionRoutes(relay),
      ...addons.routes,
      ...artifactRoutes(deployments),
      ...deploymentRoutes(deployments),
      ...referenceRoutes(() => routes, version),
    ];
    const frame: Frame = { verify, log, audit: (record) => audit.record(record) };
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
