import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Manifest } from '#addon/manifest';
import type { ServerEntry, ServerRoute } from '#addon/server';
import { callerId, route, type Route } from './http/route.ts';
import type { RelayBus } from './relay/bus.ts';
import { openInner } from './relay/inner.ts';

/** Those of ours that have a server half. */
export const builtIn = ['file-transfer'] as const;

type LoadModule = (name: string, part: 'manifest' | 'server') => Promise<unknown>;

const loadOurs: LoadModule = (name, part) => import(`#addons/${name}/${part}`);

/** Routes of the server halves. One that cannot be loaded costs a line in the log and its own routes only. */
export async function addonRoutes(
  names: readonly string[],
  bus: RelayBus,
  log: Log,
  load = loadOurs,
): Promise<Route[]> {
  const routes: Route[] = [];
  for (const name of names) {
    try {
      const manifest = ((await load(name, 'manifest')) as { default: Manifest }).default;
      const entry = ((await load(name, 'server')) as { default: ServerEntry }).default;
      const half = entry({
        log: log.child({ addon: manifest.id }),
        openSession(deviceId, { userId, tokenId, right }) {
          const { protocol } = manifest;
          if (!protocol) throw new Error(`the add-on ${manifest.id} has no sessions`);
          return openInner({ bus, deviceId, userId, tokenId, rights: [right], protocol });
        },
      });
      routes.push(...half.routes.map(mounted));
    } catch (error) {
      log.error('server half not loaded', { addon: name, error: messageOf(error) });
    }
  }
  return routes;
}

function mounted(served: ServerRoute): Route {
  return route(served, (context) => {
    const { req, res, params, query, requestId } = context;
    return served.handler({
      req,
      res,
      params,
      query,
      userId: callerId(context),
      tokenId: context.caller.kind === 'user' ? context.caller.tokenId : '',
      requestId,
      right: served.access,
      note: (note) => context.note(note),
    });
  });
}
