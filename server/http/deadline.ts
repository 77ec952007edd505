import type { IncomingMessage, ServerResponse } from 'node:http';
import { requestIdOf } from './mount.ts';

type Listener = (req: IncomingMessage, res: ServerResponse) => void;

/** How long a body may take that is no upload, ms: long for a megabyte of log on a bad line, short for who holds us up. */
const bodyTime = 60_000;

/**
 * Ends requests whose body does not come to an end: each would keep a socket for as long as its sender likes, with no
 * token needed. Node's own limit is off because an upload of somebody we know may take hours (`listen.ts`).
 */
export function inTime(listener: Listener, time = bodyTime): Listener {
  return (req, res) => {
    if (hasBody(req) && !isUpload(req)) {
      const late = setTimeout(() => giveUp(req, res), time);
      late.unref();
      for (const over of ['end', 'close'] as const) req.once(over, () => clearTimeout(late));
    }
    listener(req, res);
  };
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** Such a route asks for the token, or the link's signature, before it reads. */
const isUpload = ({ method, url = '', headers }: IncomingMessage): boolean =>
  (method === 'POST' &&
    url.startsWith('/api/management/') &&
    headers['content-type']?.toLowerCase().startsWith('multipart/') === true) ||
  (method === 'PUT' && url.startsWith('/api/management/v1/deployments/artifacts/directupload/'));

function giveUp(req: IncomingMessage, res: ServerResponse): void {
  if (req.complete) return;
  if (res.headersSent) return void req.socket.destroy();
  const id = requestIdOf(req);
  res.writeHead(408, { Connection: 'close', 'Content-Type': 'application/json', 'X-MEN-RequestID': id });
  res.end(JSON.stringify({ error: 'the body of the request did not come in time', request_id: id }), () =>
    req.socket.destroy(),
  );
}
