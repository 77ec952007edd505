import type { IncomingMessage } from 'node:http';

export const deviceSocketPath = '/api/devices/v1/deviceconnect/connect';
const userSocketPath = /^\/api\/management\/v1\/deviceconnect\/devices\/([^/]{1,128})\/connect$/;

/** Whose socket is asked for: a device's, or a person's with a device. */
export interface Target {
  readonly deviceId: string;
  /** A session of his own that is to go on. */
  readonly session?: string;
  /** A session of somebody else. */
  readonly join?: string;
  /** As the header of this name: a browser cannot send one. */
  readonly extensions?: string;
}

/** Undefined: neither. */
export function match(req: IncomingMessage): Target | { readonly device: true } | undefined {
  const path = pathOf(req);
  if (path === deviceSocketPath) return { device: true };
  const id = userSocketPath.exec(path)?.[1];
  if (id === undefined) return undefined;
  try {
    const query = new URLSearchParams((req.url ?? '').slice(path.length));
    const given = (['session', 'join', 'extensions'] as const).flatMap((key) => {
      const value = query.get(key);
      return value === null ? [] : [[key, value] as const];
    });
    return { deviceId: decodeURIComponent(id), ...Object.fromEntries(given) };
  } catch {
    return undefined;
  }
}

/** Of a request, without its query. */
export const pathOf = (req: IncomingMessage): string => (req.url ?? '').split('?', 1)[0] ?? '';
