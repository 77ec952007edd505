import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { CodedError, messageOf } from '#base/errors';
import { HttpError, statusFor } from '../errors.ts';

/** Status and text with which an upgrade is refused; a fault of ours says nothing of itself. */
export function refusalOf(error: unknown): { status: number; error: string } {
  const status = error instanceof CodedError ? (statusFor(error.code) ?? 500) : 500;
  return { status, error: status >= 500 && status !== 503 ? 'internal error' : messageOf(error) };
}

/** Answers a socket that is no WebSocket yet, in the shape of every error of the REST API, and closes it. */
export function refuse(socket: Duplex, error: unknown, requestId: string): void {
  if (!socket.writable) return void socket.destroy();
  const { status, error: text } = refusalOf(error);
  const body = JSON.stringify({ error: text, request_id: requestId });
  const headers = {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    'X-MEN-RequestID': requestId,
    Connection: 'close',
    ...(error instanceof HttpError ? error.headers : {}),
  };
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${head.join('')}\r\n${body}`);
}
