import { createServer, type Server } from 'node:http';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { listen } from '../listen.ts';
import type { Metrics } from './metrics.ts';

/** The figures on a listener of their own: whoever may reach it may read them, and the public port has no way to it. */
export async function serveMetrics(metrics: Metrics & { host: string; port: number }, log: Log): Promise<Server> {
  const server = createServer({ headersTimeout: 5000, requestTimeout: 5000 }, (req, res) => {
    const found = req.url?.split('?', 1)[0] === '/metrics' && req.method === 'GET';
    if (!found) return void res.writeHead(404, { 'Content-Type': 'text/plain' }).end('see /metrics\n');
    metrics.text().then(
      (text) => res.writeHead(200, { 'Content-Type': metrics.type }).end(text),
      (error: unknown) => {
        log.error('metrics not collected', { error: messageOf(error) });
        res.writeHead(500).end();
      },
    );
  });
  const port = await listen(server, metrics.host, metrics.port, '--metrics');
  log.info('metrics ready', { host: metrics.host, port });
  return server;
}
