import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { CodedError, codeOf, messageOf } from '#base/errors';
import type { ServerConfig } from './config.ts';

/** A server for the configuration, not listening yet. Throws `usage` for a certificate that cannot be read. */
export function makeServer(tls: ServerConfig['tls']): Server {
  const options = {
    // A device on a slow line uploads for hours; what must be quick are the headers.
    requestTimeout: 0,
    headersTimeout: 30_000,
    keepAliveTimeout: 75_000,
    maxHeaderSize: 32_768,
  };
  if (!tls) return createServer(options);
  try {
    return createSecureServer({ ...options, cert: readFileSync(tls.cert), key: readFileSync(tls.key) });
  } catch (error) {
    throw new CodedError(
      'usage',
      `cannot use the certificate ${tls.cert} with the key ${tls.key}: ${messageOf(error)}`,
    );
  }
}

/** Listens; the port that it got. Throws `listen_failed` in words for a person. */
export async function listen(server: Server, host: string, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(new CodedError('listen_failed', why(error, host, port), { cause: error })));
    server.listen(port, host, resolve);
  });
  return (server.address() as AddressInfo).port;
}

function why(error: Error, host: string, port: number): string {
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return `port ${port} on ${host} is in use by another program: stop it, or choose another port with --listen ${host}:PORT`;
    case 'EACCES':
      return `port ${port} may not be opened by this user: choose one above 1023 with --listen`;
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return `${host} is no address of this machine: choose another with --listen`;
    default:
      return `cannot listen on ${host}:${port}: ${messageOf(error)}`;
  }
}
