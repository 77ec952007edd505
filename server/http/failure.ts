import type { Socket } from 'node:net';
import type { Express, NextFunction, Request, Response } from 'express';
import { CodedError, messageOf, stackOf } from '#base/errors';
import type { Log } from '#base/log';
import { HttpError, statusFor } from '../errors.ts';

/** The status that an error is answered with: that of its code, or 500. */
export function statusOf(error: unknown): number {
  if (error instanceof CodedError) return statusFor(error.code) ?? 500;
  // body-parser's errors carry their own status: 400 undecodable, 413 too large.
  const status = (error as { status?: unknown } | null)?.status;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : 500;
}

/** What a refused client may still send, bytes and ms. */
const refusedBytes = 64 * 1024 * 1024;
const refusedMs = 5000;

/**
 * Reads on for a while what a refused client is still sending. Its connection closed under it, it would see a broken
 * one and never the answer.
 */
function readOver(req: Request): void {
  const socket = req.socket as Socket | null;
  if (!socket) return;
  let left = refusedBytes;
  const cut = setTimeout(() => socket.destroy(), refusedMs);
  req.on('data', (chunk: Buffer) => {
    left -= chunk.length;
    if (left < 0) socket.destroy();
  });
  req.once('close', () => clearTimeout(cut)).resume();
}

/** Last of all: unknown routes, and every error as the body that clients know. */
export function finish(app: Express, log: Log): void {
  app.use((_req, _res, next) => next(new HttpError('not_found', 'not found')));
  app.use((error: unknown, req: Request, res: Response, _next: NextFunction) => {
    const status = statusOf(error);
    const requestId = String(res.locals['requestId']);
    // Away, and a thing of the surroundings: a line a request, no stack.
    if (status === 503)
      log.warn('request not served', {
        request: requestId,
        method: req.method,
        path: req.path,
        error: messageOf((error as Error).cause ?? error),
      });
    else if (status >= 500)
      log.error('request failed', {
        request: requestId,
        method: req.method,
        path: req.path,
        error: stackOf(error),
      });
    if (res.headersSent) {
      res.destroy();
      return;
    }
    const http = error instanceof HttpError ? error : undefined;
    if (http) res.set(http.headers);
    if (!req.complete) readOver(req);
    res.status(status).json({
      error: status < 500 || http ? messageOf(error) : 'internal error',
      request_id: requestId,
      ...http?.extra,
    });
  });
}
