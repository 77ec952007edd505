import { WebSocket, type ClientOptions } from 'ws';
import { messageOf } from '#base/errors';
import type { Log } from '#base/log';
import { secondsToWait } from '#base/retry-after';
import {
  extensionsHeader,
  flowExtension,
  framesExtension,
  newsExtension,
  hasExtension,
  largeFrameLimit,
  resumeExtension,
} from '#proto';
import type { Authorization } from './token.ts';

export const socketPath = '/api/devices/v1/deviceconnect/connect';

export interface LinkTimes {
  /** Between two pings, ms: under 25 s, for proxies that cut what is quiet (ask-4). */
  readonly ping: number;
  /** Without any sign of life the link is dead, ms: two pings lost, and seen within a minute. */
  readonly dead: number;
  /** For the handshake, ms. */
  readonly open: number;
}

export interface LinkOptions {
  /** One frame from the server. A throw closes the socket: a frame that cannot be read is fatal to it (B-18). */
  readonly receive: (frame: Uint8Array) => void;
  /** It came up or went down, or there is room again after `send` was false. */
  readonly changed: () => void;
  readonly log: Log;
  /** Sessions may outlive this link (`resumeExtension`). */
  readonly resume: boolean;
  readonly times?: Partial<LinkTimes>;
  /** How to reach this server: a proxy's agent, certificates. Throws for a proxy that is none. */
  readonly dial?: (server: URL) => ClientOptions;
}

/**
 * Largest frame we take. The reference takes 8192 bytes and its servers keep to that; more is for frames that both
 * sides agreed on. Beyond it the socket closes with 1009 (B-16).
 */
const readLimit = largeFrameLimit;
/** Bytes that wait for the kernel: from here on the sources pause, and go on below the other. */
const full = 64 * 1024;
const low = 16 * 1024;

const defaults: LinkTimes = { ping: 20_000, dead: 50_000, open: 30_000 };

/** The device's one socket to the server. */
export class Link {
  readonly #options: LinkOptions;
  readonly #times: LinkTimes;
  #socket: WebSocket | undefined;
  #full = false;
  #flow = false;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#times = { ...defaults, ...options.times };
  }

  /** Connected, and not full. */
  get ready(): boolean {
    return this.#socket !== undefined && !this.#full;
  }

  get up(): boolean {
    return this.#socket !== undefined;
  }

  /** The server understands `pause` and `resume` of single sessions. */
  get flow(): boolean {
    return this.#flow;
  }

  /** Takes the frame while the link is up. False: full or down. */
  send(frame: Uint8Array): boolean {
    const socket = this.#socket;
    if (!socket) return false;
    socket.send(frame, this.#written);
    if (socket.bufferedAmount >= full) this.#full = true;
    return !this.#full;
  }

  /** Stops reading: every session waits. For the time in which one of them takes nothing and cannot be paused alone. */
  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  readonly #written = (): void => {
    if (!this.#full || (this.#socket?.bufferedAmount ?? 0) > low) return;
    this.#full = false;
    this.#options.changed();
  };

  /** Connects and stays until the link is lost or the signal aborts; gives back for how long it was up, ms. */
  async hold(authorization: Authorization, signal: AbortSignal): Promise<{ upFor: number; retryAfter?: number }> {
    if (signal.aborted) return { upFor: 0 };
    const { log, changed, resume } = this.#options;
    const extensions = [flowExtension, framesExtension, newsExtension, ...(resume ? [resumeExtension] : [])];
    const over = Promise.withResolvers<void>();
    let opened = 0;
    let retryAfter: number | undefined;
    let socket: WebSocket;
    try {
      const url = socketUrl(authorization.serverUrl);
      socket = new WebSocket(url, {
        ...this.#options.dial?.(url),
        headers: { Authorization: `Bearer ${authorization.token}`, [extensionsHeader]: extensions.join(', ') },
        // An offer of compression makes the proxy of Mender's 3.x client fail with 503 (§1.1).
        perMessageDeflate: false,
        // A mask guards browsers against what their pages send; here it would cost each byte a turn on both ends.
        generateMask: (mask: Buffer) => mask.fill(0),
        maxPayload: readLimit,
        handshakeTimeout: this.#times.open,
        followRedirects: false,
      });
    } catch (error) {
      log.error('server not reachable', { url: authorization.serverUrl, error: messageOf(error) });
      return { upFor: 0 };
    }
    const stopWatch = this.#watch(socket);
    const leave = (): void => closeSoon(socket, 1000);
    signal.addEventListener('abort', leave);
    socket.on('upgrade', ({ headers }) => (this.#flow = hasExtension(headers[extensionsHeader], flowExtension)));
    socket.on('open', () => {
      opened = performance.now();
      log.info('connected', { server: authorization.serverUrl });
      this.#socket = socket;
      this.#full = false;
      changed();
    });
    socket.on('message', (data) => this.#receive(socket, data as Buffer));
    socket.on('unexpected-response', (request, response) => {
      retryAfter = secondsToWait(response.headers['retry-after']);
      log.warn('server refused the connection', { status: response.statusCode });
      response.resume();
      request.destroy();
      over.resolve();
    });
    socket.on('error', (error) => log.warn('connection failed', { error: messageOf(error) }));
    socket.on('close', (code, reason) => {
      if (opened) log.info('disconnected', { code, reason: reason.toString() });
      over.resolve();
    });
    try {
      await over.promise;
    } finally {
      signal.removeEventListener('abort', leave);
      stopWatch();
      socket.terminate();
      if (this.#socket === socket) {
        this.#socket = undefined;
        this.#flow = false;
        changed();
      }
    }
    return {
      upFor: opened ? performance.now() - opened : 0,
      ...(retryAfter === undefined ? {} : { retryAfter }),
    };
  }

  #receive(socket: WebSocket, data: Buffer): void {
    try {
      this.#options.receive(data);
    } catch (error) {
      this.#options.log.error('frame not understood', { error: messageOf(error), bytes: data.length });
      closeSoon(socket, 1007);
    }
  }

  /** Pings, and gives up a socket that is silent: a half-open one never says so itself. */
  #watch(socket: WebSocket): () => void {
    let heard = performance.now();
    const alive = (): void => void (heard = performance.now());
    for (const sign of ['open', 'message', 'ping', 'pong'] as const) socket.on(sign, alive);
    const { ping, dead } = this.#times;
    const timer = setInterval(() => {
      if (socket.readyState === WebSocket.CONNECTING) return;
      if (performance.now() - heard > dead - ping) {
        this.#options.log.warn('server is silent', { ms: Math.round(performance.now() - heard) });
        socket.terminate();
      } else if (socket.readyState === WebSocket.OPEN) socket.ping(String(Math.round(dead / 1000)));
    }, ping);
    return () => clearInterval(timer);
  }
}

/** Closes with a code; a peer that does not answer within a second is not waited for. */
function closeSoon(socket: WebSocket, code: number): void {
  if (socket.readyState === WebSocket.CONNECTING) return socket.terminate();
  socket.close(code);
  setTimeout(() => socket.terminate(), 1000).unref();
}

/** Scheme and host of the server's URL count, its path does not (§1.1). */
function socketUrl(serverUrl: string): URL {
  const url = new URL(socketPath, serverUrl);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url;
}
