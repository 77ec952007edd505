import type { Server as SecureServer } from 'node:https';
import { join } from 'node:path';
import type { Route } from './http/route.ts';
import type { Blame } from '#base/blame';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { ProtoType } from '#proto';
import type { ServerConfig } from './config.ts';
import { loadAddons } from './addons.ts';
import { removeOrphans } from './artifacts/removal.ts';
import { Room } from './artifacts/room.ts';
import { storageUsage } from './artifacts/store.ts';
import { AuditLog } from './audit/audit.ts';
import { SessionAudit } from './audit/session.ts';
import { Retention } from './audit/retention.ts';
import { openFolder } from './blobs/folder.ts';
import { Certificate } from './certificate.ts';
import { Activity } from './deployments/activity.ts';
import { decommissionDevice } from './deployments/abort.ts';
import { deployConfiguration } from './deployments/configuration.ts';
import type { DeploymentDeps } from './deployments/deps.ts';
import { Devices } from './devices/devices.ts';
import { Register } from './devices/register.ts';
import { DeviceTokens } from './devices/tokens.ts';
import { drain } from './http/drain.ts';
import type { TokenVerifier } from './http/guard.ts';
import type { Frame } from './http/mount.ts';
import { noMeter } from './http/meter.ts';
import { addressOf, hostOf } from './http/proxies.ts';
import { RateLimits } from './http/rate.ts';
import { siteOrigin } from './http/sites.ts';
import { serveFront } from './front.ts';
import { routesOf } from './routes.ts';
import { fleetOf } from './fleet.ts';
import { Readiness } from './health.ts';
import { Groups } from './inventory/groups.ts';
import { Inventory } from './inventory/inventory.ts';
import { Deliveries } from './iot-manager/deliveries.ts';
import { Integrations } from './iot-manager/integrations.ts';
import { Outbound } from './iot-manager/outbound.ts';
import { placesOf } from './live/places.ts';
import { liveSockets } from './live/socket.ts';
import { listen, makeServer } from './listen.ts';
import { serveMetrics } from './metrics/listener.ts';
import { Presence } from './presence/presence.ts';
import { LocalBus } from './relay/bus.ts';
import { deviceOf, personOf } from './relay/people.ts';
import type { SessionEvent } from './relay/events.ts';
import { createRelay } from './relay/relay.ts';
import { Recordings } from './recordings/recordings.ts';
import { Seal } from './store/seal.ts';
import { onPostgres, openStore } from './store/store.ts';
import { loadKeys } from './tokens/keys.ts';
import { AccessTokens } from './users/access-tokens.ts';
import { Entry } from './users/entry.ts';
import { Logins } from './users/logins.ts';
import { Policies } from './users/policy.ts';
import { reaches } from './users/reach.ts';
import { Roles } from './users/role-store.ts';
import { SecondFactors } from './users/second-factor.ts';
import { Standing } from './users/standing.ts';
import { Users } from './users/users.ts';

export interface RunningServer {
  readonly port: number;
  /** All that it answers to. */
  readonly routes: readonly Route[];
  /** Ends sessions and requests in order; what does not end by itself is cut after a few seconds. */
  close(): Promise<void>;
}

/** For people to come back to sessions that were open when the server stopped, ms. */
const sessionPatience = 15 * 60_000;

/** Wires one server process and starts it. Throws in words for a person: data folder, port, certificate. */
export async function startServer(config: ServerConfig, log: Log, blame?: Blame): Promise<RunningServer> {
  const tls = config.tls && (await Certificate.open(config.tls));
  const server = makeServer(tls);
  const db = await openStore(config.data, config.database);
  try {
    const keys = await loadKeys(db);
    const verify: TokenVerifier = {
      user: (token) => logins.verify(token),
      device: (token) => tokens.verify(token),
      knownDevice: (token) => tokens.known(token),
    };
    const live = liveSockets(server, verify, (event, data) => placesOf(db, { event, data }), log);
    const audit = new AuditLog(db);
    const sessionAudit = new SessionAudit(db, audit);
    const tokens = new DeviceTokens(db, keys);
    const presence = new Presence(db, live, (id, connected) => addons.presence(id, connected), log);
    const inventory = new Inventory(db, live, (deviceIds) => standing.devicesMoved(deviceIds));
    const groups = new Groups(db, inventory);
    const failed = (what: string) => (error: unknown) => log.error(what, { error: messageOf(error) });
    const rates = new RateLimits(config.rates);
    const recordings = new Recordings(db, config.data, config.recordings, log);
    const bus = new LocalBus();
    const sessionEvent = async (event: SessionEvent): Promise<void> => {
      await sessionAudit.write(event);
      live.tell('session', { device: event.session.deviceId, sid: event.session.sid, open: event.type === 'opened' });
    };
    const relay = createRelay({
      bus,
      log,
      async authenticateDevice(req) {
        const found = await deviceOf(req, verify);
        rates.take({ kind: 'device', id: found.deviceId });
        return found;
      },
      authorizeUser: (req, deviceId) =>
        personOf(req, deviceId, verify, db, (proto) => addons.speaker(proto)?.sessions ?? 'sessions:terminal'),
      speaker: (proto) => addons.speaker(proto),
      addressOf: (req) => addressOf(req, config.trust),
      hostOf: (req) => hostOf(req, config.trust),
      onConnected: (id, connection) => presence.connected(id, connection),
      onDisconnected: (id, connection) => presence.disconnected(id, connection),
      audit: sessionEvent,
      joined: (event) => sessionAudit.joined(event),
      recall: (sid) => sessionAudit.recall(sid),
      record: (session) => recordings.begin(session),
    });
    const standing = new Standing({
      db,
      live,
      relay,
      logins: () => logins,
      revoked: (userId, tokenId) => addons.revoked(userId, tokenId),
    });
    const roles = new Roles(db, (role) => addons.rightsOfRole(role));
    const policies = new Policies(db);
    const logins = new Logins({ db, keys, roles, policies }, (userId, tokenIds) =>
      standing.loginsEnded(userId, tokenIds),
    );
    const seal = new Seal(config.data);
    const factors = new SecondFactors(db, seal);
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
    const outbound = new Outbound(config.webhookNetworks);
    const mail = config.mail && (await import('./mail.ts')).openMail(config.mail);
    const deliveries = new Deliveries(db, log, outbound);
    const integrations = new Integrations(db, () => deliveries.wake());
    const register = new Register(db);
    const accessTokens = new AccessTokens(db, keys, logins);
    const devices = new Devices(db, live, {
      revoked(deviceId) {
        integrations.committed();
        tokens.forget(deviceId);
        relay.disconnectDevice(deviceId, 'no longer accepted');
      },
      statusChanged: (trx, deviceId, status) => integrations.statusChanged(trx, deviceId, status),
      async decommissioned(deviceId) {
        await decommissionDevice({ db, live }, deviceId);
        await addons.decommissioned(deviceId);
        await integrations.decommissioned(deviceId);
      },
    });
    const activity = new Activity({ alone: !onPostgres(db) });
    const addons = await loadAddons({
      names: config.addons,
      beside: config.addonsBeside,
      blame,
      bus,
      db,
      log,
      refuses: (stand) => standing.why(stand),
      audit: sessionEvent,
      changed: (addon, id) => live.tell('addon', { addon, id }),
      nudge: (addon, id) => relay.news(id, addon),
      lent: {
        ...fleetOf({ db, register, inventory, groups, roles }),
        siteOrigin: (label, req) => siteOrigin(label, req, config),
        async deployConfiguration(deviceId, values, secrets) {
          const id = await deployConfiguration({ db, live, activity }, deviceId, values, secrets);
          // One that is not connected finds it at its next poll.
          relay.sendToDevice(deviceId, { hdr: { proto: ProtoType.MenderClient, typ: 'check-update' } });
          return id;
        },
        mail,
        outbound,
        seal,
        publicUrl: config.publicUrl,
      },
    });
    await factors.sealAll().catch(failed('keys of second factors not sealed'));
    await presence.reset();
    retention.start();
    await sessionAudit.recover();
    const started = new Date();
    const lateness = setTimeout(() => {
      const open = (sid: string): boolean => relay.sessions().some((session) => session.sid === sid);
      void sessionAudit.giveUp(open, started).catch(failed('lost sessions not closed'));
    }, sessionPatience).unref();
    await devices.resume();
    const blobs = await openFolder(join(config.data, 'artifacts'));
    const orphans = await removeOrphans(db, blobs);
    if (orphans > 0) log.info('artifacts without an owner removed', { count: orphans });
    const deployments: DeploymentDeps = {
      db,
      activity,
      blobs,
      live,
      log,
      linkSecret: keys.linkSecret,
      publicUrl: (req) => config.publicUrl ?? `${req.protocol}://${req.host}`,
      room: new Room(db, config.storageLimit),
      limits: { artifactSize: config.artifactLimit },
      acceptedDevices: (scope) => register.accepted(scope),
      devicesOfGroup: (group) => groups.accepted(group),
      devicesOfFilter: async (id) => {
        const filter = await groups.filter(id);
        return { filter, devices: await inventory.accepted(filter.terms) };
      },
    };

    const readiness = new Readiness({ db, blobs, log, minFree: config.minFree });
    const routes = routesOf({
      deployments,
      readiness,
      people,
      accessTokens,
      standing,
      audit,
      devices,
      register,
      tokens,
      inventory,
      groups,
      presence,
      relay,
      recordings,
      integrations,
      outbound,
      ofAddons: addons.routes,
      policyChanged,
    });
    const metrics = config.metrics && {
      ...config.metrics,
      ...(await import('./metrics/metrics.ts')).makeMetrics({
        db,
        rates,
        devicesConnected: () => bus.devices(),
        sessionsOpen: () => bus.sessions(),
        artifactBytes: () => storageUsage(db),
        bytesFree: () => blobs.free(),
        webhooks: deliveries.counts,
        addons: addons.counters,
        certificateEnds: () => tls?.certificate.ends,
      }),
    };
    const frame: Frame = {
      verify,
      log,
      rates,
      meter: metrics?.meter ?? noMeter,
      reaches: (kind, id, scope) => reaches(db, kind, id, scope),
      audit: (record) => audit.record(record),
    };
    const ending = new AbortController();
    const { sites } = addons;
    serveFront(server, { config, log, routes, frame, sites, relay, recordings, signal: ending.signal });
    const port = await listen(server, config.host, config.port);
    recordings.retain(ending.signal);
    if (tls) void tls.certificate.follow(server as SecureServer, log, ending.signal);
    const delivering = deliveries.run(ending.signal);
    const working = addons.run(ending.signal);
    const figures = metrics && (await serveMetrics(metrics, log));
    if ((await users.count()) === 0)
      log.warn('nobody can log in yet: make a user with "patchbay user add"', { data: config.data });
    return {
      port,
      routes,
      async close() {
        clearTimeout(lateness);
        readiness.stop();
        ending.abort();
        figures?.close();
        const drained = drain(server, config.grace);
        relay.close();
        await live.close();
        await drained;
        await outbound[Symbol.asyncDispose]();
        await delivering;
        mail?.close();
        await working;
        figures?.closeAllConnections();
        await retention.stop();
        presence.stop();
        await db.destroy();
      },
    };
  } catch (error) {
    await db.destroy();
    throw error;
  }
}
