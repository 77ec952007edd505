import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { CodedError, codeOf, messageOf } from '#base/errors';

/** A server, not listening yet. With a certificate it speaks HTTPS. */
export function makeServer(tls: { readonly cert: Buffer; readonly key: Buffer } | undefined): Server {
  const options = {
    // A device on a slow line uploads for hours; what must be quick are the headers.
    requestTimeout: 0,
    headersTimeout: 30_000,
    keepAliveTimeout: 75_000,
    maxHeaderSize: 32_768,
  };
  return tls ? createSecureServer({ ...options, ...tls }) : createServer(options);
}

/** Listens; the port that it got. Throws `listen_failed` in words for a person. */
export async function listen(server: Server, host: string, port: number, option = '--listen'): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(new CodedError('listen_failed', why(error, host, port, option), { cause: error })),
    );
    server.listen(port, host, resolve);
  });
  return (server.address() as AddressInfo).port;
}

function why(error: Error, host: string, port: number, option: string): string {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is in use by another program: stop it, or choose another port with ${option} ${host}:PORT`;
    case 'EACCES':
      return `port ${port} may not be opened by this user: choose one above 1023 with ${option}`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is no address of this machine: choose another with ${option}`;
    default:
      return `cannot listen on ${host}:${port}: ${messageOf(error)}`;
  }
}
