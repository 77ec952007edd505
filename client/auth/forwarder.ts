import { timingSafeEqual } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import type { Transport } from '../transport.ts';
import type { Grant } from './access.ts';

/** Headers that belong to one connection, not to the message. */
const hopByHop = ['connection', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'host'];

/**
 * Plain HTTP on loopback to the server that accepted us, for programs that hold our token (`connect-protocol.md` §6.3).
 * It adds our TLS settings and nothing else, and lives exactly as long as one grant: disposing it cuts what is open.
 */
export class Forwarder implements AsyncDisposable {
  readonly #server: http.Server;
  readonly #sockets: Set<Duplex>;
  private constructor(server: http.Server, sockets: Set<Duplex>) {
    this.#server = server;
    this.#sockets = sockets;
  }

  /** Loopback only, a port that is free: CVE-2022-32290 was a forwarder that listened to the network. */
  static async open(grant: Grant, transport: Transport, log: Log): Promise<Forwarder> {
    const sockets = new Set<Duplex>();
    const server = http.createServer((request, response) => {
      const refusal = refuse(request, grant);
      if (refusal) {
        response.writeHead(refusal.status, { 'Content-Type': 'text/plain' }).end(refusal.text);
        request.resume();
        return;
      }
      const out = upstream(request, grant, transport, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
        answer.on('error', () => response.destroy());
      });
      out.on('error', (error) => {
        log.warn('forwarder: server not reached', { error: messageOf(error) });
        if (response.headersSent) response.destroy();
        else response.writeHead(503, { 'Content-Type': 'text/plain' }).end('server not reached');
      });
      response.on('close', () => out.destroy());
      request.pipe(out);
    });
    server.on('upgrade', (request: http.IncomingMessage, socket: Duplex, head: Buffer) =>
      tunnel({ request, socket, head, grant, transport, log, sockets }),
    );
    server.on('connection', (socket: Socket) => track(sockets, socket));
    server.requestTimeout = 0; // a transfer may take as long as it takes
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new Forwarder(server, sockets);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}

function track(sockets: Set<Duplex>, socket: Duplex): void {
  sockets.add(socket);
  socket.on('close', () => sockets.delete(socket));
}

function refuse(request: http.IncomingMessage, grant: Grant): { status: number; text: string } | undefined {
  // The path decides alone: an absolute target or a dotted one must not reach what the prefix hides.
  let path: string;
  try {
    path = decodeURIComponent(new URL(request.url ?? '', 'http://x').pathname);
  } catch {
    return { status: 400, text: 'bad request target' };
  }
  if (!request.url?.startsWith('/') || !path.startsWith('/api/devices/') || path.includes('/../'))
    return { status: 404, text: 'not found' };
  if (path.startsWith('/api/devices/v1/authentication/')) return { status: 403, text: 'forbidden' };
  const header = request.headers.authorization;
  if (header === undefined) return { status: 401, text: 'no authorization header' };
  const [given, wanted] = [Buffer.from(header), Buffer.from(`Bearer ${grant.token}`)];
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    return { status: 401, text: 'invalid JWT token in Authorization header' };
  return undefined;
}

function upstream(
  request: http.IncomingMessage,
  grant: Grant,
  transport: Transport,
  answered?: (answer: http.IncomingMessage) => void,
): http.ClientRequest {
  const target = new URL(`${grant.server}${request.url}`);
  const headers: http.OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(request.headers)) if (!hopByHop.includes(name)) headers[name] = value;
  if (request.headers.upgrade !== undefined) {
    headers['connection'] = 'Upgrade';
    // Browsers' rule, not ours: the origin of a device means nothing to a server.
    delete headers['origin'];
  }
  const { request: send } = target.protocol === 'https:' ? https : http;
  const options = { method: request.method, headers, agent: transport.agentFor(target) } as http.RequestOptions;
  return answered ? send(target, options, answered) : send(target, options);
}

interface Tunnel {
  readonly request: http.IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly grant: Grant;
  readonly transport: Transport;
  readonly log: Log;
  readonly sockets: Set<Duplex>;
}

/** A WebSocket (or any upgrade): after the server's 101 the bytes pass as they are. */
function tunnel({ request, socket, head, grant, transport, log, sockets }: Tunnel): void {
  socket.on('error', () => socket.destroy());
  const refusal = refuse(request, grant);
  if (refusal) return answerAndEnd(socket, refusal.status, refusal.text);
  const out = upstream(request, grant, transport);
  out.on('upgrade', (answer, server, serverHead) => {
    track(sockets, server);
    server.on('error', () => server.destroy());
    socket.write(`HTTP/1.1 101 Switching Protocols\r\n${headerLines(answer.rawHeaders)}\r\n`);
    if (serverHead.length > 0) socket.write(serverHead);
    if (head.length > 0) server.write(head);
    server.pipe(socket).pipe(server);
    socket.on('close', () => server.destroy());
    server.on('close', () => socket.destroy());
  });
  out.on('response', (answer) => {
    const status = `${answer.statusCode ?? 502} ${answer.statusMessage ?? ''}`;
    socket.write(
      `HTTP/1.1 ${status}\r\n${headerLines(answer.rawHeaders, ['connection', 'transfer-encoding'])}connection: close\r\n\r\n`,
    );
    answer.pipe(socket);
  });
  out.on('error', (error) => {
    log.warn('forwarder: server not reached', { error: messageOf(error) });
    answerAndEnd(socket, 503, 'server not reached');
  });
  socket.on('close', () => out.destroy());
  out.end();
}

function answerAndEnd(socket: Duplex, status: number, text: string): void {
  socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status] ?? ''}\r\ncontent-type: text/plain\r\n` +
      `content-length: ${Buffer.byteLength(text)}\r\nconnection: close\r\n\r\n${text}`,
  );
}

function headerLines(raw: readonly string[], without: readonly string[] = []): string {
  let lines = '';
  for (let at = 0; at + 1 < raw.length; at += 2)
    if (!without.includes((raw[at] ?? '').toLowerCase())) lines += `${raw[at]}: ${raw[at + 1]}\r\n`;
  return lines;
}
