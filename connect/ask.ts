import { request as plain, type Agent, type IncomingMessage } from 'node:http';
import { request as secure } from 'node:https';
import type { SecureContext } from 'node:tls';
import type { Answer, Question } from '#addon/device';
import { CodedError, messageOf } from '#base/errors';

/** How to reach a server: options of a request and of a WebSocket alike. */
export interface Way {
  readonly secureContext?: SecureContext;
  readonly agent?: Agent;
}

/** Of an answer's body, bytes. */
const most = 8 * 1024 * 1024;
/** Without a byte until a request fails, ms. */
const idle = 300_000;

/**
 * One request and its whole answer. Not by `fetch`: a device pays 8 MiB of memory for the first one, since Node then loads HTTP/2, streams
 * of the Web and a compiler for WebAssembly.
 */
export function ask(url: URL, way: Way, { method = 'GET', headers, body, signal }: Question = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const code = error instanceof CodedError ? error.code : 'transport';
      reject(new CodedError(code, `${method} ${url.origin}${url.pathname}: ${messageOf(error)}`, { cause: error }));
    };
    const request = url.protocol === 'https:' ? secure : plain;
    const length = body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    // No agent of Node's own, which would keep sockets for a next request that comes in minutes.
    const out = request(url, {
      agent: false,
      ...way,
      method,
      headers: { ...headers, ...length },
      ...(signal && { signal }),
    });
    out.setTimeout(idle, () => out.destroy(new CodedError('timeout', 'no answer in time')));
    out.on('error', failed);
    out.on('response', (response) => {
      const pieces: Buffer[] = [];
      let size = 0;
      response.on('error', failed);
      response.on('data', (piece: Buffer) => {
        size += piece.length;
        pieces.push(piece);
        if (size > most) response.destroy(new CodedError('too_large', `the answer is larger than ${most} bytes`));
      });
      response.on('end', () => {
        const status = response.statusCode ?? 0;
        const text = Buffer.concat(pieces).toString();
        resolve({ status, ok: status >= 200 && status < 300, headers: Object.fromEntries(headersOf(response)), text });
      });
    });
    out.end(body);
  });
}

const headersOf = ({ headersDistinct }: IncomingMessage) =>
  Object.entries(headersDistinct).map(([name, values]): [string, string] => [name, (values ?? []).join(', ')]);
