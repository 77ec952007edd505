import type { IncomingMessage } from 'node:http';

/** The address of a caller: behind so many trusted proxies the one that they name. As express's `req.ip`. */
export function addressOf(req: IncomingMessage, trustedProxies: number): string {
  const named = String(req.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((address) => address.trim())
    .filter(Boolean)
    .reverse();
  const all = [req.socket.remoteAddress ?? '', ...named];
  return all[Math.min(trustedProxies, all.length - 1)] ?? '';
}
