import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Log } from '#base/log';
import type { Sites } from '#addon/server';
import { livePath } from '#proto/http/live';
import { createApp } from './app.ts';
import type { ServerConfig } from './config.ts';
import { inTime } from './http/deadline.ts';
import type { Frame } from './http/mount.ts';
import { webFolder } from './http/pages.ts';
import { hostOf } from './http/proxies.ts';
import { quickly } from './http/quick.ts';
import type { Route } from './http/route.ts';
import { siteLabel } from './http/sites.ts';
import { playbackUpgrade } from './recordings/playback.ts';
import type { Recordings } from './recordings/recordings.ts';
import type { Relay } from './relay/relay.ts';

/** Who is behind the server's port. */
export interface Behind {
  readonly config: ServerConfig;
  readonly log: Log;
  readonly routes: readonly Route[];
  readonly frame: Frame;
  readonly sites: Sites;
  readonly relay: Relay;
  readonly recordings: Recordings;
  /** The server stops. */
  readonly signal: AbortSignal;
}

/** Gives each request and each upgrade of a server to whoever it is for: an add-on's site by its host, else by path. */
export function serveFront(
  server: Server,
  { config, log, routes, frame, sites, relay, recordings, signal }: Behind,
): void {
  const host = (req: IncomingMessage): string | undefined => hostOf(req, config.trust);
  const site = (req: IncomingMessage): string | undefined => siteLabel(host(req), config.pagesDomain);
  const app = createApp(routes, frame, log, { trust: config.trust, webFolder: webFolder() });
  const answer = inTime(quickly(routes, frame, (req, res) => void app(req, res)));
  server.on('request', (req: IncomingMessage, res: ServerResponse) => {
    const label = site(req);
    if (label === undefined || !sites.request(label, req, res)) answer(req, res);
  });
  const playback = playbackUpgrade({ recordings, verify: frame.verify, hostOf: host, log, signal });
  server.on('upgrade', (req, socket, head) => {
    const label = site(req);
    if (label !== undefined && sites.upgrade(label, req, socket, head)) return;
    // socket.io takes its own path; whatever is nobody's is closed.
    if (relay.handleUpgrade(req, socket, head) || playback(req, socket, head)) return;
    if (!req.url?.startsWith(livePath)) socket.destroy();
  });
}
