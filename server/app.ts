import express, { type Express } from 'express';
import type { Log } from '#base/log';
import { legacyPaths } from './http/legacy.ts';
import type { Trust } from './http/proxies.ts';
import type { Route } from './http/route.ts';
import { finish } from './http/failure.ts';
import { mount, stamp, type Frame } from './http/mount.ts';
import { pages } from './http/pages.ts';

export interface AppOptions {
  readonly trust: Trust;
  readonly webFolder: string;
}

/** The express application: frame, routes, web UI, errors. */
export function createApp(routes: readonly Route[], frame: Frame, log: Log, options: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', options.trust);
  // Flat: a repeated parameter is a list, brackets mean nothing.
  app.set('query parser', 'simple');
  app.use(stamp(frame));
  app.use(legacyPaths);
  mount(app, routes, frame);
  pages(app, options.webFolder);
  finish(app, log);
  return app;
}
