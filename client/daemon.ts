import { readFileSync } from 'node:fs';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { Access } from './auth/access.ts';
import { openKey, type KeySource } from './auth/key.ts';
import { Loopback } from './auth/loopback.ts';
import { Api } from './api.ts';
import { authenticationService, type Granted } from './bus/authentication.ts';
import { serveBus } from './bus/serve.ts';
import { updateService } from './bus/update.ts';
import type { Config } from './config.ts';
import { Deployments } from './deployments.ts';
import { readDeviceType } from './device-type.ts';
import { Inventory } from './inventory/inventory.ts';
import { Nudges } from './nudges.ts';
import { paths, type Places } from './places.ts';
import { Poller } from './poller.ts';
import type { Clock } from './retries.ts';
import { Transport, type TransportOptions } from './transport.ts';
import { firstStart } from './first-start.ts';
import { artifactNameOf, flatProvides, Journal } from './update/journal.ts';
import { Holds } from './update/holds.ts';
import { StateScripts } from './update/scripts.ts';
import { Status } from './update/status.ts';

export interface ClientOptions {
  readonly config: Config;
  readonly places: Places;
  readonly log: Log;
  readonly transport?: TransportOptions;
  /** Of an encrypted device key. */
  readonly passphrase?: string;
  readonly nudges?: Nudges;
  readonly clock?: Clock;
  /** Told of each completed write of the journal: how tests cut the power. */
  readonly written?: () => void;
}

/** The parts that daemon and single commands share. */
export function clientParts(options: ClientOptions) {
  const { config, places, log, clock = { second: 1000 } } = options;
  const transport = new Transport(config, options.transport ?? {}, log);
  const access = new Access({
    config,
    identityScript: paths.identity(places),
    key: () => openKey(keySource(options), log),
    transport,
    log,
  });
  const journal = new Journal(paths.journal(places), log, options.written);
  const deviceType = () => readDeviceType(config.DeviceTypeFile ?? paths.deviceType(places));
  const scripts = new StateScripts({
    rootFolder: paths.rootScripts(places),
    artifactFolder: paths.artifactScripts(places),
    timings: config,
    clock,
  });
  const status = new Status(journal, config.problem);
  const holds = new Holds({ journal, limit: config.DeferLimitSeconds, clock, log });
  const verifyKeys = () => config.verifyKeys.map(readVerifyKey);
  return { config, places, log, clock, transport, access, journal, deviceType, scripts, status, holds, verifyKeys };
}

export function keySource({ config, places, passphrase }: ClientOptions): KeySource {
  const fixed = config.Security?.AuthPrivateKey;
  return {
    file: fixed ?? paths.key(places),
    fixed: fixed !== undefined,
    ...(config.Security?.SSLEngine === undefined ? {} : { engine: config.Security.SSLEngine }),
    ...(passphrase === undefined ? {} : { passphrase }),
  };
}

/** The update client: authenticates, serves D-Bus, polls and updates until the signal aborts. */
export async function runClient(options: ClientOptions, signal: AbortSignal): Promise<void> {
  const parts = clientParts(options);
  const { access, transport, journal, deviceType, log, places, clock } = parts;
  await openKey(keySource(options), log); // made at start, so that it is there before anybody asks
  const api = new Api(access, transport, clock);
  const deployments = new Deployments(api);
  const nudges = options.nudges ?? new Nudges();
  const inventory = new Inventory({
    folder: paths.inventory(places),
    api,
    log,
    builtIn: () => ({
      ...flatProvides(journal.read()),
      ...optional(deviceType),
      ...(parts.config.problem === '' ? {} : { configuration_error: parts.config.problem }),
    }),
  });
  const poller = new Poller({ workshop: { ...parts, deployments }, deployments, inventory, nudges });
  const loopback = new Loopback(transport, log);
  access.on('fetched', (grant) => grant && poller.granted());
  await firstStart(places, journal, log);
  const authentication = {
    granted: () => ({ token: loopback.lent.token, url: loopback.lent.url }),
    fetch: () =>
      void access.fetch(signal).catch((error: unknown) => log.error('fetch failed', { error: messageOf(error) })),
    subscribe: (listener: (granted: Granted) => void) => {
      loopback.on('changed', listener);
      return () => loopback.off('changed', listener);
    },
    log,
  };
  log.info('client started', { name: artifactNameOf(journal.read()), servers: parts.config.servers });
  await Promise.all([
    loopback.run(access, signal),
    serveBus({ service: authenticationService(authentication), log }, signal),
    serveBus({ service: updateService({ ...parts, nudges }), log }, signal),
    poller.run(signal),
  ]);
  log.info('client stopped');
}

function readVerifyKey(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const why = messageOf(error);
    throw new CodedError(
      'verify_key',
      `no artifact can be verified, its key ${file} (ArtifactVerifyKeys) is not to be read: ${why}`,
    );
  }
}

function optional(deviceType: () => string): { device_type?: string } {
  try {
    return { device_type: deviceType() };
  } catch {
    return {}; // the poll names the fault
  }
}
