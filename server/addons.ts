import { readFileSync } from 'node:fs';
import type { Kysely } from 'kysely';
import type { Blame } from '#base/blame';
import { CodedError, messageOf } from '#base/errors';
import { type Log, silentLog } from '#base/log';
import { addonLoader, defaultOf, fileOf, ours, type LoadModule, type Ours } from '#addon/loading';
import { checkManifest, ownPermissions, titleOf, type Manifest } from '#addon/manifest';
import type { Migration, ServerCounter, ServerEntry, ServerHalf, ServerHost, ServerRoute, Sites } from '#addon/server';
import type { Fleet } from './fleet.ts';
import { addonsPath, deviceAddonsPath } from '#proto/http/paths';
import type { Permission } from '#proto/http/users';
import { callerId, json, route, type Route, scopeOf } from './http/route.ts';
import { LocalBus, type RelayBus } from './relay/bus.ts';
import { openInner } from './relay/inner.ts';
import type { SessionEvent, Stand } from './relay/events.ts';
import type { Seal } from './store/seal.ts';
import { type Db, migrateAddon } from './store/store.ts';

/** What the server lends all add-ons alike. */
export type Lent = Fleet &
  Pick<ServerHost, 'deployConfiguration' | 'siteOrigin' | 'mail' | 'outbound' | 'publicUrl'> & { readonly seal: Seal };

export interface AddonOptions {
  readonly lent: Lent;
  /** Something of an add-on has changed for a device. */
  readonly changed: (addon: string, deviceId: string) => void;
  /** Tells an add-on on a device that there is something for it; false: the device does not hear it. */
  readonly nudge?: (addon: string, deviceId: string) => boolean;
  /** Packages of third parties, by name. */
  readonly names: readonly string[];
  /** They are looked for beside this file, which need not be there. */
  readonly beside: string;
  readonly bus: RelayBus;
  readonly db: Db;
  readonly log: Log;
  readonly ours?: Ours;
  /** Why somebody may not have a session, if he may not (any more): asked when it is opened. */
  refuses?(stand: Omit<Stand, 'end'>): Promise<string | undefined>;
  /** Takes the beginning and the end of a session into the log; rejects if it cannot: the session does not begin then. */
  readonly audit?: (event: SessionEvent) => Promise<void>;
  /** Whose fault it is when an add-on throws where nobody can catch it; absent: the process ends. */
  readonly blame?: Blame | undefined;
}

/** What the server knows of add-ons: their routes, their rights, and what their sessions are called and need. */
export interface ServerAddons {
  readonly routes: readonly Route[];
  /** Rights that add-ons bring, each with what it allows. */
  readonly permissions: ReadonlyMap<Permission, string>;
  /** Those of them that a role has which comes with the server. */
  rightsOfRole(role: string): readonly Permission[];
  /** What they count, by name. */
  readonly counters: Readonly<Record<string, ServerCounter>>;
  /** Their own work, until the signal; one that fails costs a line in the log. */
  run(signal: AbortSignal): Promise<void>;
  presence(deviceId: string, connected: boolean): void;
  /** The add-on whose sessions speak this protocol. */
  speaker(protocol: number): Manifest | undefined;
  /** Has each of them forget a device. Throws what the first threw that could not; it is called again then. */
  decommissioned(deviceId: string): Promise<void>;
  /** Tells them that a login of a user, or all of them, is over. */
  revoked(userId: string, tokenId?: string): void;
  /** The first whose site this is takes the request; false: nobody's. */
  readonly sites: Sites;
}

interface Loaded {
  readonly manifest: Manifest;
  readonly half?: ServerHalf;
  readonly routes: readonly Route[];
  /** The web half of a third party, as the page loads it; ours are part of the page. */
  readonly page?: Buffer;
}

/** Loads what it can. One that cannot be loaded costs a line in the log and its own feature only. */
export async function loadAddons(options: AddonOptions): Promise<ServerAddons> {
  const { names, beside, log } = options;
  const own = options.ours ?? ours;
  const load = addonLoader(beside, own);
  const mine = own.names('manifest');
  const loaded: Loaded[] = [];
  for (const name of new Set([...mine, ...names])) {
    try {
      const addon = await loadAddon(name, mine.includes(name), load, options);
      const twin = loaded.find((other) => clash(other.manifest, addon.manifest));
      if (twin) throw invalid(`its id or its protocol number belongs to ${twin.manifest.id} already`);
      loaded.push(addon);
    } catch (error) {
      log.error('add-on not loaded', { addon: name, error: messageOf(error) });
    }
  }
  const speakers = new Map(loaded.map(({ manifest }) => [manifest.protocol?.number, manifest]));
  return {
    routes: [...loaded.flatMap(({ routes }) => routes), ...pageRoutes(loaded)],
    permissions: new Map(
      loaded.flatMap(({ manifest }) =>
        ownPermissions(manifest).map((name, at) => [name, Object.values(manifest.permissions ?? {})[at] ?? '']),
      ),
    ),
    speaker: (protocol) => speakers.get(protocol),
    rightsOfRole: (role) =>
      loaded.flatMap(({ manifest: { id, roles } }) =>
        (roles && Object.hasOwn(roles, role) ? (roles[role] ?? []) : []).map(
          (word): Permission => `addon:${id}:${word}`,
        ),
      ),
    counters: Object.assign({}, ...loaded.map(({ half }) => half?.counters)) as Record<string, ServerCounter>,
    async run(signal) {
      await Promise.all(
        loaded.map(async ({ manifest, half }) => {
          try {
            await half?.run?.(signal);
          } catch (error) {
            log.error('add-on failed', { addon: manifest.id, error: messageOf(error) });
          }
        }),
      );
    },
    presence(deviceId, connected) {
      for (const { half } of loaded) half?.presence?.(deviceId, connected);
    },
    async decommissioned(deviceId) {
      for (const { half } of loaded) await half?.decommissioned?.(deviceId);
    },
    revoked(userId, tokenId) {
      for (const { half } of loaded) half?.revoked?.(userId, tokenId);
    },
    sites: {
      request: (...given) => loaded.some(({ half }) => half?.sites?.request(...given)),
      upgrade: (...given) => loaded.some(({ half }) => half?.sites?.upgrade(...given)),
    },
  };
}

/**
 * The steps that make the tables of add-ons, by id: of ours and of those that are named. None of them runs. Throws
 * `invalid_addon` for one that is named and cannot be loaded.
 */
export async function addonSteps(
  db: Db,
  { names, beside }: Pick<AddonOptions, 'names' | 'beside'>,
  own: Ours = ours,
): Promise<ReadonlyMap<string, Readonly<Record<string, Migration>>>> {
  const options: AddonOptions = {
    names,
    beside,
    bus: new LocalBus(),
    db,
    log: silentLog,
    lent: noServer,
    changed: () => {},
  };
  const load = addonLoader(beside, own);
  const steps = new Map<string, Readonly<Record<string, Migration>>>();
  for (const name of new Set([...own.names('server'), ...names])) {
    try {
      const manifest = checkManifest(defaultOf(await load(name, 'manifest')));
      if (!manifest.halves.includes('server')) continue;
      const half = (defaultOf(await load(name, 'server')) as ServerEntry)(hostFor(manifest, options));
      steps.set(manifest.id, half.migrations ?? {});
    } catch (error) {
      throw invalid(`the add-on ${name} cannot be loaded: ${messageOf(error)}`);
    }
  }
  return steps;
}

/** For whoever only wants the tables: no half asks anything before it runs. */
const noServer: Lent = new Proxy({} as Lent, {
  get: (_, name) => (name === 'mail' || name === 'publicUrl' ? undefined : () => notRunning()),
});
const notRunning = (): never => {
  throw new CodedError('not_running', 'no server runs');
};

async function loadAddon(name: string, mine: boolean, load: LoadModule, options: AddonOptions): Promise<Loaded> {
  const manifest = checkManifest(defaultOf(await load(name, 'manifest')));
  const has = (half: 'server' | 'web'): boolean => manifest.halves.includes(half);
  const page = has('web') && !mine ? { page: readFileSync(fileOf(name, 'web', options.beside)) } : {};
  if (!has('server')) return { manifest, routes: [], ...page };
  const entry = defaultOf(await load(name, 'server')) as ServerEntry;
  if (typeof entry !== 'function') throw invalid('its server module has no default function');
  const blamed = <T>(work: () => T): T => (options.blame ? options.blame.run(manifest.id, work) : work());
  const half = blamed(() => entry(hostFor(manifest, options)));
  if (!mine) for (const each of half.routes) checkRoute(each, manifest);
  if (half.migrations) await migrateAddon(options.db, manifest.id, half.migrations);
  return { manifest, half, routes: half.routes.map((each) => mounted(each, blamed)), ...page };
}

function hostFor(manifest: Manifest, options: AddonOptions): ServerHost {
  const { bus, db, lent } = options;
  return {
    ...lent,
    // No add-on opens what another one closed. Asked for when it is used: a restore lends none.
    get seal() {
      return lent.seal.within(`addon ${manifest.id}`);
    },
    async openSession(deviceId, asker) {
      const { userId, tokenId, access } = asker;
      const { protocol } = manifest;
      if (!protocol) throw new CodedError('no_sessions', `the add-on ${manifest.id} has no sessions`);
      // What an add-on was allowed once, such as a page of a device, may have been taken away since.
      const why = await options.refuses?.({ userId, tokenId, deviceId, rights: [access] });
      if (why !== undefined) throw new CodedError('forbidden', why);
      return openInner({ bus, deviceId, asker, kind: manifest.id, protocol, audit: options.audit });
    },
    // The type is the add-on's to say: it made the tables.
    tables: <T>() => db as unknown as Kysely<T>,
    nudge: (deviceId) => options.nudge?.(manifest.id, deviceId) ?? false,
    changed: (deviceId) => options.changed(manifest.id, deviceId),
    log: options.log.child({ addon: manifest.id }),
  };
}

/** What is not ours keeps to its own corner, and asks for a right that there is. */
function checkRoute({ path, access, method, audit }: ServerRoute, manifest: Manifest): void {
  const below = `${access === 'device' ? deviceAddonsPath : addonsPath}/${manifest.id}/`;
  if (!path.startsWith(below)) throw invalid(`its route ${path} is not below ${below}`);
  if (access === 'device') return;
  if (typeof access !== 'string' || !access.includes(':')) throw invalid(`its route ${path} asks for no permission`);
  if (access.startsWith('addon:') && !ownPermissions(manifest).includes(access))
    throw invalid(`its route ${path} asks for '${access}', which is no permission of its own`);
  if (method !== 'GET' && !audit) throw invalid(`its route ${method} ${path} has no word for the audit log`);
}

const clash = (a: Manifest, b: Manifest): boolean =>
  a.id === b.id || (a.protocol !== undefined && a.protocol.number === b.protocol?.number);

/** For the page: which tabs there are besides its own, and their modules. */
function pageRoutes(loaded: readonly Loaded[]): Route[] {
  const pages = loaded.flatMap(({ manifest, page }) => (page ? [{ manifest, page }] : []));
  return [
    route(
      {
        method: 'GET',
        path: '/api/management/v1/patchbay/addons',
        access: 'user',
        summary: 'Add-ons of third parties that have a tab on the page of a device',
        responses: { 200: { description: 'add-ons' } },
      },
      () =>
        json(
          200,
          pages.map(({ manifest }) => ({
            id: manifest.id,
            title: titleOf(manifest),
            module: modulePath(manifest.id),
            manifest,
          })),
        ),
    ),
    ...pages.map(({ manifest, page }) =>
      route(
        {
          method: 'GET',
          path: modulePath(manifest.id),
          access: 'public',
          summary: `What the page shows of the add-on ${manifest.id}`,
          responses: { 200: { description: 'a module', type: 'text/javascript' } },
        },
        () => ({ status: 200, body: page, type: 'text/javascript', headers: { 'Cache-Control': 'no-cache' } }),
      ),
    ),
  ];
}

const modulePath = (id: string): string => `/addons/${id}/web.js`;

function mounted(served: ServerRoute, blamed: <T>(work: () => T) => T): Route {
  return route(served, (context) => {
    const { req, res, params, query, body, caller, requestId, address } = context;
    return blamed(() =>
      served.handler({
        req,
        res,
        params,
        query,
        body,
        userId: caller.kind === 'user' ? callerId(context) : '',
        userName: caller.kind === 'user' ? caller.email : '',
        tokenId: caller.kind === 'user' ? caller.tokenId : '',
        deviceId: caller.kind === 'device' ? callerId(context) : '',
        requestId,
        address,
        userAgent: req.get('user-agent'),
        count: served.audit === undefined ? undefined : (figures) => context.count(figures),
        access: served.access,
        reach: served.access === 'device' ? 'all' : scopeOf(context, served.access),
        note: (note) => context.note(note),
      }),
    );
  });
}

const invalid = (message: string): CodedError => new CodedError('invalid_addon', message);
