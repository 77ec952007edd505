import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws';
import { decode, encode, unpack, type ProtoHeader, type ProtoMsg } from '#proto';

/** One end of a socket in the hands of a test: frames as they are, one after the other. */
export class Peer {
  readonly socket: WebSocket;
  readonly frames: ProtoMsg[] = [];
  readonly raw: Buffer[] = [];
  readonly pings: string[] = [];
  readonly pongs: string[] = [];
  closed: { code: number; reason: string } | undefined;
  #waiting: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data) => {
      this.raw.push(data as Buffer);
      this.frames.push(decode(data as Buffer));
      this.#wake();
    });
    socket.on('ping', (data) => (this.pings.push(data.toString()), this.#wake()));
    socket.on('pong', (data) => (this.pongs.push(data.toString()), this.#wake()));
    socket.on('error', () => undefined);
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
  }

  /** A client's end; throws `HTTP status: body` if it is refused. */
  static async connect(url: string, options: ClientOptions & { protocols?: string[] } = {}): Promise<Peer> {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), options.protocols ?? [], {
      perMessageDeflate: false,
      ...options,
    });
    const peer = new Peer(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
      socket.once('unexpected-response', (_req, res: IncomingMessage) => {
        let body = '';
        res.on('data', (chunk: Buffer) => (body += chunk.toString()));
        res.on('end', () => reject(new Error(`HTTP ${res.statusCode}: ${body}`)));
      });
    });
    return peer;
  }

  send(hdr: ProtoHeader, body?: Uint8Array | string): void {
    this.socket.send(encode({ hdr, ...(body === undefined ? {} : { body: Buffer.from(body) }) }));
  }

  /** The first frame that fits, taken out of those that came. */
  async next(what: Partial<ProtoHeader> = {}, ms = 15_000): Promise<ProtoMsg> {
    const fits = ({ hdr }: ProtoMsg): boolean =>
      Object.entries(what).every(([key, value]) => hdr[key as 'typ'] === value);
    await this.until(`a frame ${JSON.stringify(what)}`, () => this.frames.some(fits), ms);
    return this.frames.splice(this.frames.findIndex(fits), 1)[0]!;
  }

  async end(): Promise<{ code: number; reason: string }> {
    await this.until('the end of the socket', () => this.closed !== undefined);
    return this.closed!;
  }

  async until(what: string, holds: () => boolean, ms = 15_000): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`never: ${what}; frames ${JSON.stringify(this.frames)}`)), ms);
    while (!holds()) await Promise.race([late.promise, new Promise<void>((resolve) => this.#waiting.push(resolve))]);
    clearTimeout(timer);
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export const text = (message: ProtoMsg): string => Buffer.from(message.body ?? []).toString();
export const structure = (message: ProtoMsg): Record<string, unknown> => unpack(message.body!) as never;

/** A server whose every answer a test gives: for a device to connect to. */
export class RawServer implements AsyncDisposable {
  readonly #http = createServer();
  readonly #sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly requests: IncomingMessage[] = [];
  readonly peers: Peer[] = [];
  /** Status with which upgrades are refused; undefined: they are not. */
  refuse: number | undefined;
  readonly headers: string[] = [];
  #waiting: (() => void)[] = [];

  static async start(): Promise<RawServer> {
    const server = new RawServer();
    server.#sockets.on('headers', (lines) => lines.push(...server.headers));
    server.#http.on('upgrade', (req, socket, head) => {
      server.requests.push(req);
      socket.on('error', () => undefined);
      if (server.refuse !== undefined) socket.end(`HTTP/1.1 ${server.refuse} No\r\nContent-Length: 0\r\n\r\n`);
      else server.#sockets.handleUpgrade(req, socket, head, (opened) => void server.peers.push(new Peer(opened)));
      for (const resolve of server.#waiting.splice(0)) resolve();
    });
    server.#http.listen(0, '127.0.0.1');
    await once(server.#http, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}`;
  }

  /** The socket of the device's n-th connection, counted from 0. */
  async peer(n = 0, ms = 15_000): Promise<Peer> {
    await this.asked(n + 1, ms);
    return this.peers[n]!;
  }

  /** Waits for so many requests. */
  async asked(times: number, ms = 15_000): Promise<void> {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error(`asked ${this.requests.length} times, not ${times}`)), ms);
    while (this.requests.length < times)
      await Promise.race([late.promise, new Promise<void>((resolve) => this.#waiting.push(resolve))]);
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { socket } of this.peers) socket.terminate();
    this.#http.closeAllConnections();
    this.#http.close();
  }
}
