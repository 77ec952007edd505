import { sql } from 'kysely';
import express, { type Express } from 'express';
import type { Log } from '#base/log';
import { json, route, type Route } from './http/route.ts';
import { finish, mount, stamp, type Frame } from './http/mount.ts';
import { pages } from './http/pages.ts';
import type { Db } from './store/store.ts';

export interface AppOptions {
  readonly trustedProxies: number;
  readonly webFolder: string;
}

/** The express application: frame, routes, web UI, errors. */
export function createApp(routes: readonly Route[], frame: Frame, log: Log, options: AppOptions): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('trust proxy', options.trustedProxies);
  // Flat: a repeated parameter is a list, brackets mean nothing.
  app.set('query parser', 'simple');
  app.use(stamp);
  mount(app, routes, frame);
  pages(app, options.webFolder);
  finish(app, log);
  return app;
}

/** `/health`: the process answers and its database does. */
export const healthRoute = (db: Db): Route =>
  route(
    {
      method: 'GET',
      path: '/health',
      access: 'public',
      summary: 'Whether the server works',
      responses: { 200: { description: 'it does' } },
    },
    async () => {
      await sql`select 1`.execute(db);
      return json(200, { status: 'ok' });
    },
  );
