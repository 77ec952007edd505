import type { Route } from './http/route.ts';
import type { Log } from '#base/log';
import type { ServerConfig } from './config.ts';
import { createApp, healthRoute } from './app.ts';
import { AuditLog } from './audit/audit.ts';
import { auditRoutes } from './audit/routes.ts';
import { Devices } from './devices/devices.ts';
import { deviceRoutes } from './devices/routes.ts';
import { DeviceTokens } from './devices/tokens.ts';
import type { TokenVerifier } from './http/guard.ts';
import { webFolder } from './http/pages.ts';
import { Inventory } from './inventory/inventory.ts';
import { inventoryRoutes } from './inventory/routes.ts';
import { liveSockets } from './live/socket.ts';
import { listen, makeServer } from './listen.ts';
import { Presence } from './presence/presence.ts';
import { presenceRoutes } from './presence/routes.ts';
import { openStore } from './store/store.ts';
import { loadKeys } from './tokens/keys.ts';
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

/** Wires one server process and starts it. Throws in words for a person: data folder, port, certificate. */
export async function startServer(config: ServerConfig, log: Log): Promise<RunningServer> {
  const server = makeServer(config.tls);
  const db = await openStore(config.data);
  try {
    const keys = await loadKeys(db);
    const verify: TokenVerifier = { user: (token) => users.verify(token), device: (token) => tokens.verify(token) };
    const live = liveSockets(server, verify);
    const audit = new AuditLog(db);
    const tokens = new DeviceTokens(db, keys);
    const presence = new Presence(db, live);
    const inventory = new Inventory(db, live);
    const users = new Users(db, keys, (userId) => live.disconnectUser(userId));
    const devices = new Devices(db, live, {
      revoked: (deviceId) => tokens.forget(deviceId),
      decommissioned: async () => {},
    });
    await presence.reset();

    const routes = [
      healthRoute(db),
      ...userRoutes(users),
      ...auditRoutes(audit),
      ...deviceRoutes(devices, tokens),
      ...inventoryRoutes(inventory),
      ...presenceRoutes(presence, { sendToDevice: () => false }),
    ];
    const app = createApp(routes, { verify, log, audit: (record) => audit.record(record) }, log, {
      trustedProxies: config.trustedProxies,
      webFolder: webFolder(),
    });
    server.on('request', (req, res) => void app(req, res));
    const port = await listen(server, config.host, config.port);
    if ((await users.count()) === 0)
      log.warn('nobody can log in yet: make a user with "patchbay user add"', { data: config.data });
    return {
      port,
      routes,
      async close() {
        const cut = setTimeout(() => server.closeAllConnections(), graceMs);
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
