import type { Kysely } from 'kysely';
import { CodedError, messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Manifest } from '#addon/manifest';
import type { ServerEntry, ServerHalf, ServerHost, ServerRoute } from '#addon/server';
import { callerId, route, type Route } from './http/route.ts';
import type { RelayBus } from './relay/bus.ts';
import { openInner } from './relay/inner.ts';
import { type Db, migrateAddon } from './store/store.ts';

/** Those of ours that have a server half. */
export const builtIn = ['file-transfer', 'configure'] as const;

type LoadModule = (name: string, part: 'manifest' | 'server') => Promise<unknown>;

const loadOurs: LoadModule = (name, part) => import(`#addons/${name}/${part}`);

/** What the server has for its add-ons. */
export interface Lent extends Pick<ServerHost, 'hasDevice' | 'deployConfiguration'> {
  readonly bus: RelayBus;
  readonly db: Db;
  readonly log: Log;
}

/** The server halves that could be loaded, as one. */
export interface Addons {
  readonly routes: readonly Route[];
  /** Has each of them forget a device. Throws what the first threw that could not; it is called again then. */
  decommissioned(deviceId: string): Promise<void>;
}

/** Loads the server halves. One that cannot be loaded costs a line in the log and its own routes only. */
export async function loadAddons(names: readonly string[], lent: Lent, load = loadOurs): Promise<Addons> {
  const halves: ServerHalf[] = [];
  for (const name of names) {
    try {
      const manifest = ((await load(name, 'manifest')) as { default: Manifest }).default;
      const entry = ((await load(name, 'server')) as { default: ServerEntry }).default;
      const half = entry(hostFor(manifest, lent));
      if (half.migrations) await migrateAddon(lent.db, manifest.id, half.migrations);
      halves.push(half);
    } catch (error) {
      lent.log.error('server half not loaded', { addon: name, error: messageOf(error) });
    }
  }
  return {
    routes: halves.flatMap((half) => half.routes.map(mounted)),
    async decommissioned(deviceId) {
      for (const half of halves) await half.decommissioned?.(deviceId);
    },
  };
}

function hostFor(manifest: Manifest, { bus, db, log, hasDevice, deployConfiguration }: Lent): ServerHost {
  return {
    openSession(deviceId, { userId, tokenId, access }) {
      const { protocol } = manifest;
      if (!protocol) throw new CodedError('no_sessions', `the add-on ${manifest.id} has no sessions`);
      return openInner({ bus, deviceId, userId, tokenId, rights: [access], protocol });
    },
    // The type is the add-on's to say: it made the tables.
    tables: <T>() => db as unknown as Kysely<T>,
    hasDevice,
    deployConfiguration,
    log: log.child({ addon: manifest.id }),
  };
}

function mounted(served: ServerRoute): Route {
  return route(served, (context) => {
    const { req, res, params, query, body, caller, requestId } = context;
    return served.handler({
      req,
      res,
      params,
      query,
      body,
      userId: caller.kind === 'user' ? callerId(context) : '',
      tokenId: caller.kind === 'user' ? caller.tokenId : '',
      deviceId: caller.kind === 'device' ? callerId(context) : '',
      requestId,
      access: served.access,
      note: (note) => context.note(note),
    });
  });
}
