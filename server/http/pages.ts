import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import express, { type Express, type NextFunction, type Request, type Response } from 'express';

/** Nothing from elsewhere, no inline script; styles inline, because the component library writes them. */
const policy = [
  "default-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  "connect-src 'self' ws: wss:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'self'",
].join('; ');

/** Where the built web UI lies: beside the built server, or in `dist/` beside the sources. */
export function webFolder(): string {
  const here = import.meta.url.endsWith('.ts') ? '../../dist/web' : '../../web';
  return fileURLToPath(new URL(here, import.meta.url));
}

/** Serves the web UI; every path that is no file and no API is the page itself, which routes in the browser. */
export function pages(app: Express, folder: string): void {
  const index = join(folder, 'index.html');
  app.use((_req, res: Response, next: NextFunction) => {
    res.set('Content-Security-Policy', policy);
    res.set('Referrer-Policy', 'same-origin');
    next();
  });
  app.use('/assets', packed(join(folder, 'assets')));
  // Names of built files carry a hash of their content: they never change.
  app.use('/assets', express.static(join(folder, 'assets'), { immutable: true, maxAge: '1y', fallthrough: false }));
  app.use(express.static(folder, { index: false, maxAge: 0 }));
  app.get(/^\/(?!api\/|health$|ready$)/, (_req: Request, res: Response) => {
    res.set('Cache-Control', 'no-cache');
    if (existsSync(index)) res.sendFile(index, { dotfiles: 'allow' });
    else res.status(404).type('text/plain').send('The web UI is not built: run "npm run build". The API is at /api.\n');
  });
}

/** Takes the copy that the build has compressed (`web/vite.config.ts`), if the browser reads such. */
function packed(folder: string) {
  return (req: Request, res: Response, next: NextFunction) => {
    const type = /^\/[\w-]+\.(js|css)$/.exec(req.path)?.[1];
    if (type && existsSync(join(folder, `${req.path}.gz`))) {
      res.vary('Accept-Encoding');
      if (req.acceptsEncodings('gzip')) {
        res.type(type).set('Content-Encoding', 'gzip');
        req.url = `${req.path}.gz`;
      }
    }
    next();
  };
}
